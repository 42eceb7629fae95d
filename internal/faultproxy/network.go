package faultproxy

import (
	"net"
	"sync"
	"sync/atomic"
)

// Down refuses connections and cuts those that there are, as a server that ended.
func (p *Proxy) Down() { p.listener.down() }

// Up listens again, at the same address.
func (p *Proxy) Up() error { return p.listener.relisten() }

// Cut ends all connections; new ones are answered.
func (p *Proxy) Cut() { p.listener.cut() }

// Lose holds back every byte in both directions, as a network does that loses all
// packets: nobody is told. New connections stay without an answer too.
func (p *Proxy) Lose() { p.listener.hold() }

// Deliver ends Lose. What was held back arrives, as what is sent again does.
func (p *Proxy) Deliver() { p.listener.deliver() }

// listener accepts connections at one address, now and then.
type listener struct {
	address net.Addr
	closed  atomic.Bool

	mu    sync.Mutex
	inner net.Listener  // nil while down
	up    chan struct{} // closed while up, and for good at the end
	flows chan struct{} // closed while bytes flow
	conns map[*conn]struct{}
}

func listen() (*listener, error) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	l := &listener{address: inner.Addr(), inner: inner, up: make(chan struct{}), flows: make(chan struct{}), conns: map[*conn]struct{}{}}
	close(l.up)
	close(l.flows)
	return l, nil
}

func (l *listener) Addr() net.Addr { return l.address }

// Accept waits through the times when the listener is down.
func (l *listener) Accept() (net.Conn, error) {
	for {
		l.mu.Lock()
		up := l.up
		l.mu.Unlock()
		<-up
		if l.closed.Load() {
			return nil, net.ErrClosed
		}
		l.mu.Lock()
		inner := l.inner
		l.mu.Unlock()
		if inner == nil {
			continue
		}
		if c, err := inner.Accept(); err == nil {
			return l.track(c), nil
		}
	}
}

func (l *listener) track(inner net.Conn) *conn {
	c := &conn{Conn: inner, l: l, ended: make(chan struct{})}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns[c] = struct{}{}
	return c
}

func (l *listener) down() {
	l.mu.Lock()
	if l.inner != nil {
		_ = l.inner.Close()
		l.inner, l.up = nil, make(chan struct{})
	}
	l.mu.Unlock()
	l.cut()
}

func (l *listener) relisten() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.inner != nil || l.closed.Load() {
		return nil
	}
	inner, err := net.Listen("tcp", l.address.String())
	if err != nil {
		return err
	}
	l.inner = inner
	close(l.up)
	return nil
}

// Close is for good.
func (l *listener) Close() error {
	if l.closed.Swap(true) {
		return nil
	}
	l.mu.Lock()
	if l.inner != nil {
		_ = l.inner.Close()
		l.inner = nil
	} else {
		close(l.up)
	}
	l.mu.Unlock()
	l.cut()
	return nil
}

func (l *listener) cut() {
	l.mu.Lock()
	conns := make([]*conn, 0, len(l.conns))
	for c := range l.conns {
		conns = append(conns, c)
	}
	l.mu.Unlock()
	for _, c := range conns {
		c.reset()
	}
}

func (l *listener) hold() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.flows:
		l.flows = make(chan struct{})
	default: // it holds already
	}
}

func (l *listener) deliver() {
	l.mu.Lock()
	defer l.mu.Unlock()
	select {
	case <-l.flows:
	default:
		close(l.flows)
	}
}

// conn is a client's connection.
type conn struct {
	net.Conn
	l     *listener
	once  sync.Once
	ended chan struct{}
}

// flow waits until bytes flow, or the connection ended.
func (c *conn) flow() {
	c.l.mu.Lock()
	flows := c.l.flows
	c.l.mu.Unlock()
	select {
	case <-flows:
	case <-c.ended:
	}
}

func (c *conn) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.flow()
	return n, err
}

func (c *conn) Write(b []byte) (int, error) {
	c.flow()
	return c.Conn.Write(b)
}

func (c *conn) Close() error {
	c.once.Do(func() { close(c.ended) })
	c.l.mu.Lock()
	delete(c.l.conns, c)
	c.l.mu.Unlock()
	return c.Conn.Close()
}

// reset ends the connection without a word of TLS or HTTP/2.
func (c *conn) reset() {
	if t, ok := c.Conn.(*net.TCPConn); ok {
		_ = t.SetLinger(0)
	}
	_ = c.Close()
}
