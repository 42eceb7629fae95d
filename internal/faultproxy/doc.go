// Package faultproxy stands between a client and a real API server, and breaks what
// passes. It is for tests only.
//
// A Proxy is a reverse proxy on loopback, HTTP/2 over TLS as the API server itself is.
// Requests that bring no Authorization header are sent on with the credentials of the
// configuration it was made from; those that do keep their own. A Rule says which of
// the requests that match, counted from when it was added, meet which Fault:
//
//	p, err := faultproxy.New(cfg)
//	defer p.Close()
//	r := p.Add(faultproxy.Rule{Match: faultproxy.Writes, Nth: 3, Fault: faultproxy.CutAfter})
//	client, err := apply.New(p.Config(), owner)
//	…
//	<-r.Fired()
//
// So a fault of the way back is a rule that is added when the way back begins, or a
// higher number. What happens below HTTP, to all connections at once, are methods:
// Down, Up, Lose and Deliver.
package faultproxy
