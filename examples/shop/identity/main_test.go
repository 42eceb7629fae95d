package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"example.com/shop/internal/kit"
	"example.com/shop/internal/store/storetest"
)

func TestTokens(t *testing.T) {
	key, now := []byte("0123456789abcdef"), time.Unix(1_700_000_000, 0)
	token := sign(key, "ada", now.Add(time.Hour))
	if name, ok := verify(key, token, now); !ok || name != "ada" {
		t.Errorf("a good token gives %q, %t", name, ok)
	}
	for what, bad := range map[string]struct {
		key   []byte
		token string
		now   time.Time
	}{
		"too old":      {key, token, now.Add(time.Hour)},
		"another key":  {[]byte("another-0123456789"), token, now},
		"another name": {key, strings.Replace(token, "ada", "eve", 1), now},
		"a later end":  {key, strings.Replace(token, "1700003600", "1800003600", 1), now},
		"no signature": {key, token[:strings.LastIndexByte(token, '.')+1], now},
		"empty":        {key, "", now},
		"dots":         {key, "..", now},
	} {
		if name, ok := verify(bad.key, bad.token, bad.now); ok {
			t.Errorf("%s: taken for %q", what, name)
		}
	}
}

func TestCustomers(t *testing.T) {
	server := kit.NewServer()
	id := &identity{data: storetest.New(t, "identity").Client("identity"), key: []byte("0123456789abcdef"), rounds: 10, now: time.Now}
	id.routes(server)
	web := httptest.NewServer(server)
	defer web.Close()
	api := kit.NewClient("identity", web.URL)
	post := func(path string, body, into any) int {
		return kit.StatusOf(api.Do(t.Context(), http.MethodPost, path, body, into))
	}
	ada := credentials{"ada", "correct horse"}
	var signed struct{ Token string }
	for _, step := range []struct {
		what, path string
		body       any
		status     int
	}{
		{"registering", "/customers", ada, 0},
		{"registering again", "/customers", credentials{"ada", "another one"}, http.StatusConflict},
		{"a name with a slash", "/customers", credentials{"a/b", "correct horse"}, http.StatusBadRequest},
		{"a short password", "/customers", credentials{"bob", "short"}, http.StatusBadRequest},
		{"the wrong password", "/tokens", credentials{"ada", "another one"}, http.StatusUnauthorized},
		{"nobody", "/tokens", credentials{"nobody", "correct horse"}, http.StatusUnauthorized},
		{"no name", "/tokens", credentials{}, http.StatusUnauthorized},
		{"signing in", "/tokens", ada, 0},
	} {
		if status := post(step.path, step.body, &signed); status != step.status {
			t.Errorf("%s: status %d, want %d", step.what, status, step.status)
		}
	}
	var who struct{ Customer string }
	if err := api.As(signed.Token).Get(t.Context(), "/customer", &who); err != nil || who.Customer != "ada" {
		t.Errorf("the token is %q's, %v", who.Customer, err)
	}
	if err := api.As(signed.Token+"x").Get(t.Context(), "/customer", nil); kit.StatusOf(err) != http.StatusUnauthorized {
		t.Errorf("another token: %v", err)
	}
}
