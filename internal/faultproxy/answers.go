package faultproxy

import (
	"bytes"
	"maps"
	"net/http"
)

// lost takes an answer that nobody is to see. Of a watch the first event is its end.
type lost struct {
	header http.Header
	watch  bool
	end    func()
}

func (l *lost) Header() http.Header { return l.header }
func (l *lost) WriteHeader(int)     {}
func (l *lost) Flush()              {}
func (l *lost) Write(b []byte) (int, error) {
	if l.watch {
		l.end()
	}
	return len(b), nil
}

// answer is one that was taken down.
type answer struct {
	header http.Header
	code   int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) WriteHeader(code int)        { a.code = code }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }
func (a *answer) Flush()                      {}

// record sends a request on that ends, and takes down what is answered.
func record(req *http.Request, next http.Handler) *answer {
	a := &answer{header: http.Header{}, code: http.StatusOK}
	next.ServeHTTP(a, req)
	return a
}

// remember notes the first answer to each list, for Stale.
func (p *Proxy) remember(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		a := record(req, next)
		if a.code == http.StatusOK {
			p.mu.Lock()
			if key := listKey(req); p.lists[key] == nil {
				p.lists[key] = a
			}
			p.mu.Unlock()
		}
		a.give(w)
	})
}

// listKey tells lists apart: one of metadata alone has the address of one of objects.
func listKey(req *http.Request) string {
	return req.Header.Get("Accept") + req.Header.Get("Accept-Encoding") + " " + req.URL.String()
}

// Stale answers a list with what it had when it was asked for first, as a server does
// whose cache stands still. One that was not asked for before is sent on.
func (p *Proxy) Stale(w http.ResponseWriter, req *http.Request, next http.Handler) {
	p.mu.Lock()
	old := p.lists[listKey(req)]
	p.mu.Unlock()
	if old == nil {
		next.ServeHTTP(w, req)
		return
	}
	old.give(w)
}

// give gives the answer, of which the body may be given more than once.
func (a *answer) give(w http.ResponseWriter) {
	maps.Copy(w.Header(), a.header)
	w.WriteHeader(a.code)
	_, _ = w.Write(a.body.Bytes())
}
