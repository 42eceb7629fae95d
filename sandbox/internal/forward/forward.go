// Package forward carries loopback ports of the host into a sandbox's network namespace. What it carries is a list in a file;
// it is told to read that file again through a Unix socket and answers when the new ports are open.
package forward

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// Forward is one port: connections to Listen on the host go to Target inside. Both are IP:port.
type Forward struct {
	Listen string `json:"listen"`
	Target string `json:"target"`
	// Service names what the user opened, as namespace/name:port; it is empty for the sandbox's own ports.
	Service string `json:"service,omitempty"`
}

// ReadFile returns the forwards in a file. A missing file holds none.
func ReadFile(path string) ([]Forward, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var forwards []Forward
	if err := json.Unmarshal(data, &forwards); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return forwards, nil
}

// Dialer connects from inside the namespace.
type Dialer interface {
	DialContext(ctx context.Context, network, address string) (net.Conn, error)
}

// Server forwards until its context ends.
type Server struct {
	dialer Dialer
	file   string

	mu   sync.Mutex
	open map[string]*listener // by Listen
}

type listener struct {
	net.Listener
	mu     sync.Mutex
	target string
}

// NewServer returns a server of the forwards in file.
func NewServer(dialer Dialer, file string) *Server {
	return &Server{dialer: dialer, file: file, open: map[string]*listener{}}
}

// Serve opens the forwards and answers on the control socket: GET / says that it works, POST / reads the file again.
func (s *Server) Serve(ctx context.Context, socket string) error {
	if err := s.reload(); err != nil {
		return err
	}
	if err := os.Remove(socket); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	control, err := net.Listen("unix", socket)
	if err != nil {
		return err
	}
	server := &http.Server{Handler: http.HandlerFunc(s.control), ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(control); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

func (s *Server) control(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		if err := s.reload(); err != nil {
			http.Error(w, err.Error(), http.StatusConflict)
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}

// reload opens what is new in the file, closes what is gone from it, and turns what has a new target.
func (s *Server) reload() error {
	forwards, err := ReadFile(s.file)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	wanted := map[string]bool{}
	for _, f := range forwards {
		wanted[f.Listen] = true
		if l, ok := s.open[f.Listen]; ok {
			l.turn(f.Target)
			continue
		}
		l, err := net.Listen("tcp", f.Listen)
		if err != nil {
			return err
		}
		s.open[f.Listen] = &listener{Listener: l, target: f.Target}
		go s.accept(s.open[f.Listen]) // ends when the listener is closed
	}
	for address, l := range s.open {
		if !wanted[address] {
			l.Close()
			delete(s.open, address)
		}
	}
	return nil
}

func (l *listener) turn(target string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.target = target
}

func (l *listener) current() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.target
}

func (s *Server) accept(l *listener) {
	for {
		conn, err := l.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			time.Sleep(10 * time.Millisecond) // out of descriptors: do not spin until some are free
			continue
		}
		go s.carry(conn, l.current()) // ends when either side closes
	}
}

// dialTimeout is how long a peer waits for an address inside that does not answer.
const dialTimeout = 10 * time.Second

func (s *Server) carry(outside net.Conn, target string) {
	defer outside.Close()
	ctx, cancel := context.WithTimeout(context.Background(), dialTimeout)
	defer cancel()
	inside, err := s.dialer.DialContext(ctx, "tcp", target)
	if err != nil {
		if tcp, ok := outside.(*net.TCPConn); ok {
			_ = tcp.SetLinger(0) // a reset says "nothing there", an orderly end would look like an empty answer
		}
		return
	}
	defer inside.Close()
	done := make(chan struct{})
	go func() {
		defer close(done)
		copyHalf(inside, outside)
	}()
	copyHalf(outside, inside)
	<-done
}

// copyHalf copies one direction and passes its end on, so that the other direction may still finish.
func copyHalf(to, from net.Conn) {
	_, err := io.Copy(to, from)
	if half, ok := to.(interface{ CloseWrite() error }); ok && err == nil {
		_ = half.CloseWrite()
		return
	}
	_ = to.Close()
	_ = from.Close()
}

// Client returns an HTTP client for the control socket; every URL's host is ignored.
func Client(socket string) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
}

// Reload tells the server behind the socket to read its file again and returns when it has.
func Reload(ctx context.Context, socket string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://forwarder/", nil)
	if err != nil {
		return err
	}
	resp, err := Client(socket).Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusNoContent {
		detail, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
		return fmt.Errorf("forwarding: %s", detail)
	}
	return nil
}
