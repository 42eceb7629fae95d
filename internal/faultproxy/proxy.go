package faultproxy

import (
	"context"
	"encoding/base64"
	"encoding/pem"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"sync"

	"k8s.io/client-go/rest"
)

// Proxy is a server on loopback that stands for the API server.
type Proxy struct {
	server   *httptest.Server
	listener *listener
	next     http.Handler // with the credentials of the configuration
	bare     http.Handler // with those of the request

	mu       sync.Mutex
	rules    []*Active
	requests []Request
	lists    map[string]*answer // the first answer to each list, for Stale
}

// New starts a proxy in front of the API server of cfg.
func New(cfg *rest.Config) (*Proxy, error) {
	host, _, err := rest.DefaultServerUrlFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("fault proxy: %w", err)
	}
	p := &Proxy{lists: map[string]*answer{}}
	if p.next, err = forward(host, cfg); err != nil {
		return nil, fmt.Errorf("fault proxy: %w", err)
	}
	if p.bare, err = forward(host, rest.AnonymousClientConfig(cfg)); err != nil {
		return nil, fmt.Errorf("fault proxy: %w", err)
	}
	if p.listener, err = listen(); err != nil {
		return nil, fmt.Errorf("fault proxy: %w", err)
	}
	p.server = httptest.NewUnstartedServer(http.HandlerFunc(p.serve))
	_ = p.server.Listener.Close()
	p.server.Listener = p.listener
	p.server.EnableHTTP2 = true
	p.server.Config.ErrorLog = log.New(io.Discard, "", 0) // of handshakes that a fault ends
	p.server.Config.ConnContext = withConn
	p.server.StartTLS()
	return p, nil
}

// forward sends requests on to host. One that it cannot send ends as if the
// connection was cut.
func forward(host *url.URL, cfg *rest.Config) (http.Handler, error) {
	transport, err := rest.TransportFor(cfg)
	if err != nil {
		return nil, err
	}
	return &httputil.ReverseProxy{
		Rewrite:       func(r *httputil.ProxyRequest) { r.SetURL(host) },
		Transport:     transport,
		FlushInterval: -1, // a watch's events are to be seen when they come
		ErrorLog:      log.New(io.Discard, "", 0),
		ErrorHandler:  func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}, nil
}

// Close ends the proxy and all that passes through it.
func (p *Proxy) Close() {
	_ = p.listener.Close()
	p.server.Close()
}

// Config returns the configuration of a client that talks to the proxy.
func (p *Proxy) Config() *rest.Config {
	return &rest.Config{Host: p.server.URL, QPS: -1, TLSClientConfig: rest.TLSClientConfig{CAData: p.ca()}}
}

func (p *Proxy) ca() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.server.Certificate().Raw})
}

// Kubeconfig returns the same for a process, with a context of the name given.
func (p *Proxy) Kubeconfig(name string) []byte {
	return fmt.Appendf(nil, `apiVersion: v1
kind: Config
current-context: %[1]q
contexts: [{name: %[1]q, context: {cluster: proxy, user: proxy}}]
clusters: [{name: proxy, cluster: {server: %[2]q, certificate-authority-data: %[3]s}}]
users: [{name: proxy, user: {}}]
`, name, p.server.URL, base64.StdEncoding.EncodeToString(p.ca()))
}

// Add puts a rule to work, after those that there are: of several that would fire,
// the first does.
func (p *Proxy) Add(r Rule) *Active {
	a := &Active{rule: r, fired: make(chan struct{})}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.rules = append(p.rules, a)
	return a
}

// Clear ends all rules, delivers what is held back, and answers connections again.
func (p *Proxy) Clear() error {
	p.mu.Lock()
	for _, a := range p.rules {
		a.Remove()
	}
	p.rules = nil
	p.mu.Unlock()
	p.Deliver()
	return p.Up()
}

// Requests returns what came so far, in its order.
func (p *Proxy) Requests() []Request {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

func (p *Proxy) serve(w http.ResponseWriter, req *http.Request) {
	r, err := describe(req)
	if err != nil {
		panic(http.ErrAbortHandler) // the client went away
	}
	next := p.next
	if req.Header.Get("Authorization") != "" {
		next = p.bare
	}
	if r.Verb == "list" {
		next = p.remember(next)
	}
	fault := p.meet(r)
	if fault == nil {
		next.ServeHTTP(w, req)
		return
	}
	fault(w, req, next)
}

// meet notes the request, and returns the fault that it meets, if any.
func (p *Proxy) meet(r Request) Fault {
	p.mu.Lock()
	defer p.mu.Unlock()
	r.N = len(p.requests) + 1
	var fault Fault
	for _, a := range p.rules {
		if a.meets(r) && fault == nil {
			fault, r.Fault = a.rule.Fault, "fault"
			if a.rule.Name != "" {
				r.Fault = a.rule.Name
			}
		}
	}
	p.requests = append(p.requests, r)
	return fault
}

type connKey struct{}

func withConn(ctx context.Context, c net.Conn) context.Context {
	if t, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = t.NetConn()
	}
	return context.WithValue(ctx, connKey{}, c)
}
