package store_test

import (
	"errors"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/shop/internal/kit"
	"example.com/shop/internal/store"
	"example.com/shop/internal/store/storetest"
)

func TestABucketBelongsToItsService(t *testing.T) {
	ctx := t.Context()
	data := storetest.New(t, "basket", "payment")
	basket, payment := data.Client("basket"), data.Client("payment")
	stranger := data.Client("stranger") // has no token

	if err := basket.Commit(ctx, basket.Put("ada", 1), store.Push("payment", "pay")); err != nil {
		t.Fatal(err)
	}
	if err := payment.Commit(ctx, basket.Put("ada", 2)); err == nil || !strings.Contains(err.Error(), "basket is not payment's") {
		t.Errorf("writing to another's bucket: %v", err)
	}
	if err := stranger.Ping(ctx); kit.StatusOf(err) != http.StatusUnauthorized {
		t.Errorf("a stranger is told %v", err)
	}
	var value int
	if version, err := basket.Get(ctx, "ada", &value); err != nil || version == 0 || value != 1 {
		t.Errorf("ada = %d, version %d, %v", value, version, err)
	}
	message, err := payment.Take(ctx)
	if err != nil || message == nil || string(message.Value) != `"pay"` {
		t.Fatalf("taking from one's own queue: %v, %v", message, err)
	}
	theft := store.Op{Do: "ack", In: "payment", Key: message.ID, Lease: message.Lease}
	if err := basket.Commit(ctx, theft); err == nil || errors.Is(err, store.ErrConflict) {
		t.Errorf("acknowledging another's message: %v", err)
	}
}

func TestMessagesCarryTheirRequest(t *testing.T) {
	data := storetest.New(t, "a", "b")
	ctx := kit.WithRequest(t.Context(), "request-1")
	if err := data.Client("a").Commit(ctx, store.Push("b", 1)); err != nil {
		t.Fatal(err)
	}
	if m, err := data.Client("b").Take(t.Context()); err != nil || m == nil || m.Request != "request-1" {
		t.Errorf("got %v, %v", m, err)
	}
}

func TestKeysThatCannotBe(t *testing.T) {
	data := storetest.New(t, "a")
	a := data.Client("a")
	for _, key := range []string{"", "..", "a/../b", "a//b", "A", "a b", "/a", "a/"} {
		if err := a.Commit(t.Context(), a.Put(key, 1)); err == nil {
			t.Errorf("%q was stored", key)
		}
		if version, err := a.Get(t.Context(), key, nil); version != 0 || err != nil {
			t.Errorf("%q: version %d, %v", key, version, err)
		}
	}
}

func TestReadTokens(t *testing.T) {
	dir := t.TempDir()
	for name, content := range map[string]string{"a": "0123456789abcdef\n", "b": "fedcba9876543210", ".hidden": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := store.ReadTokens(dir)
	if want := (store.Tokens{"a": "0123456789abcdef", "b": "fedcba9876543210"}); err != nil || !maps.Equal(got, want) {
		t.Errorf("got %v, %v", got, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "c"), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.ReadTokens(dir); err == nil || strings.Contains(err.Error(), "short") {
		t.Errorf("a token of five characters: %v", err)
	}
	if _, err := store.ReadTokens(t.TempDir()); err == nil {
		t.Error("no tokens at all are no error")
	}
}
