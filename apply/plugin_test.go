package apply

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd/api"
)

// A plugin that hangs ends with the request that wants its credentials, or when its
// time is up; what it says of its failure is not taken for a server that is down.
func TestPlugin(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if req.Header.Get("Authorization") != "Bearer good" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(server.Close)
	credential := `echo '{"apiVersion":"client.authentication.k8s.io/v1","kind":"ExecCredential","status":{"token":"good"}}'`
	const hangs = "sleep 1000 & sleep 1000" // with our stderr, so that the test ends only if they do
	for name, test := range map[string]struct {
		script string
		within time.Duration
		cancel bool
		says   string // "" is a good one
	}{
		"good":        {credential, time.Minute, false, ""},
		"hangs":       {hangs, 20 * time.Millisecond, false, "gives no credentials: it did not end in 20ms"},
		"interrupted": {hangs, time.Minute, true, "context canceled"},
		"fails":       {"exit 3", time.Minute, false, "failed with exit code 3"},
		"says little": {"echo '{}'", time.Minute, false, "gives no credentials"},
	} {
		t.Run(name, func(t *testing.T) { // one by one: a plugin that is ended ends with all others
			dir := t.TempDir()
			program := filepath.Join(dir, "plugin")
			must(t, os.WriteFile(program, []byte("#!/bin/sh\nRUNS="+dir+"/runs; touch $RUNS\n"+test.script+"\n"), 0o755)) //nolint:gosec // it is run
			cfg := &rest.Config{
				Host:         server.URL,
				ExecProvider: &api.ExecConfig{APIVersion: "client.authentication.k8s.io/v1", Command: program, InteractiveMode: api.NeverExecInteractiveMode},
				WrapTransport: func(next http.RoundTripper) http.RoundTripper {
					return sent{next}
				},
			}
			h, err := rest.HTTPClientFor(cfg)
			must(t, err)
			h.Transport = plugged{h.Transport, program, test.within}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			if test.cancel {
				go func() {
					for _, err := os.Stat(dir + "/runs"); err != nil && t.Context().Err() == nil; _, err = os.Stat(dir + "/runs") {
						time.Sleep(time.Millisecond) // nothing tells when it runs
					}
					cancel()
				}()
			}
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, server.URL+"/version", nil)
			must(t, err)
			res, err := h.Do(req)
			if err == nil {
				_ = res.Body.Close()
			}
			var plugin *PluginError
			switch {
			case test.says == "" && (err != nil || res.StatusCode != http.StatusOK):
				t.Errorf("got %v, %v", res, err)
			case test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)):
				t.Errorf("got %v, want %s", err, test.says)
			case test.says != "" && errors.As(err, &plugin) == test.cancel:
				t.Errorf("got %T: %v", err, err)
			case errors.As(err, &plugin):
				c := &Client{host: server.URL}
				if said := c.typed(err, Ref{}, nil); strings.Contains(said.Error(), "no Kubernetes API server") || !isUnreachable(said) {
					t.Errorf("typed as %v", said)
				}
			}
		})
	}
}
