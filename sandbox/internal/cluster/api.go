package cluster

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path"
	"strings"
	"time"

	"github.com/shipit-dev/shipit/sandbox/internal/pki"
)

// apiClient talks to the components as the administrator, from inside the sandbox's network. It knows the few requests that
// a sandbox makes, which spares this program Kubernetes' client libraries.
type apiClient struct {
	http *http.Client
	base string
}

func newAPIClient(c *Cluster) (*apiClient, error) {
	authority, err := os.ReadFile(c.pki().Cert(pki.CA))
	if err != nil {
		return nil, err
	}
	admin, err := tls.LoadX509KeyPair(c.pki().Cert(pki.Admin), c.pki().Key(pki.Admin))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	return &apiClient{base: c.apiURL(), http: &http.Client{Transport: &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{admin}, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
		IdleConnTimeout:   10 * time.Second,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			return c.ns.DialContext(ctx, network, address) // the namespace may change while this client lives
		},
	}}}, nil
}

// statusError is an answer other than 2xx.
type statusError struct {
	code   int
	detail string
}

func (e *statusError) Error() string { return fmt.Sprintf("HTTP %d: %s", e.code, e.detail) }

func isNotFound(err error) bool {
	var status *statusError
	return errors.As(err, &status) && status.code == http.StatusNotFound
}

// do sends a request; a URL that starts with a slash goes to the API server. The answer's body is decoded into out, if any.
func (a *apiClient) do(ctx context.Context, method, url, contentType string, body []byte, out any) error {
	if strings.HasPrefix(url, "/") {
		url = a.base + url
	}
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := a.http.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		detail, _ := io.ReadAll(io.LimitReader(resp.Body, 2048))
		return &statusError{code: resp.StatusCode, detail: string(detail)}
	}
	if out == nil {
		_, err := io.Copy(io.Discard, resp.Body)
		return err
	}
	return json.NewDecoder(resp.Body).Decode(out)
}

func (a *apiClient) get(ctx context.Context, url string, out any) error {
	return a.do(ctx, http.MethodGet, url, "", nil, out)
}

// applyManifests applies the embedded objects, each server-side, so that doing it again changes nothing.
func (c *Cluster) applyManifests(ctx context.Context) error {
	entries, err := files.ReadDir("manifests")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		data, err := render(path.Join("manifests", entry.Name()), c.values())
		if err != nil {
			return err
		}
		for document := range strings.SplitSeq(string(data), "\n---\n") {
			first, _, _ := strings.Cut(document, "\n")
			url := strings.TrimPrefix(first, "# ") + "?fieldManager=shipit-sandbox&force=true"
			if err := c.apply(ctx, url, document); err != nil {
				return fmt.Errorf("applying %s: %w", first, err)
			}
		}
	}
	return nil
}

// apply tries again while the API server, just started, has not made its own namespaces yet. An object that an older sandbox
// made in another way, which Kubernetes does not let change, is made anew.
func (c *Cluster) apply(ctx context.Context, url, document string) error {
	return retry(ctx, 10*time.Second, func() (bool, error) {
		err := c.api.do(ctx, http.MethodPatch, url, "application/apply-patch+yaml", []byte(document), nil)
		var status *statusError
		switch {
		case err == nil:
			return false, nil
		case !errors.As(err, &status) || status.code == http.StatusNotFound || status.code >= 500:
			return true, err
		case status.code == http.StatusUnprocessableEntity:
			path, _, _ := strings.Cut(url, "?")
			return true, errors.Join(err, c.api.do(ctx, http.MethodDelete, path, "", nil, nil))
		default:
			return false, err
		}
	})
}

// retry calls fn until it succeeds, says that it is no use, or the patience is over; then it returns the last error.
func retry(ctx context.Context, patience time.Duration, fn func() (again bool, err error)) error {
	const pause = 50 * time.Millisecond
	deadline := time.Now().Add(patience)
	for {
		again, err := fn()
		if err == nil || !again || time.Now().After(deadline) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pause):
		}
	}
}
