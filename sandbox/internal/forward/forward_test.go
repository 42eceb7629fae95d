package forward

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestServer(t *testing.T) {
	t.Parallel()
	dir, err := os.MkdirTemp("", "forward") // a test's own folder is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	file, socket := filepath.Join(dir, "forwards.json"), filepath.Join(dir, "control.sock")
	one, two := service(t, "one"), service(t, "two")
	port := free(t)
	save(t, file, Forward{Listen: port, Target: one})

	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- NewServer(new(net.Dialer), file).Serve(ctx, socket) }()
	await(t, socket)
	if got, err := fetch(port); err != nil || got != "one" {
		t.Errorf("%q, %v", got, err)
	}

	save(t, file, Forward{Listen: port, Target: two})
	if err := Reload(t.Context(), socket); err != nil {
		t.Fatal(err)
	}
	if got, err := fetch(port); err != nil || got != "two" {
		t.Errorf("turned to another target: %q, %v", got, err)
	}

	save(t, file)
	if err := Reload(t.Context(), socket); err != nil {
		t.Fatal(err)
	}
	if _, err := fetch(port); err == nil {
		t.Error("a forward that was removed still answers")
	}

	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	save(t, file, Forward{Listen: taken.Addr().String(), Target: one})
	if err := Reload(t.Context(), socket); err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a taken port: %v", err)
	}
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func service(t *testing.T, answer string) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, answer) }))
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func free(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func save(t *testing.T, file string, forwards ...Forward) {
	t.Helper()
	data, err := json.Marshal(forwards)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
}

// await asks until the server, which another goroutine starts, is there.
func await(t *testing.T, socket string) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		if err := Reload(t.Context(), socket); err == nil {
			return
		} else if time.Now().After(deadline) {
			t.Fatal(err)
		}
	}
}

func fetch(address string) (string, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get("http://" + address)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return string(body), err
}
