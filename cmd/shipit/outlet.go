package main

import (
	"bytes"
	"io"
	"os"
	"sync"

	"golang.org/x/term"
)

// result is the standard output: it keeps the first error of a write, so that a
// command whose data did not arrive does not end well.
type result struct {
	to  io.Writer
	mu  sync.Mutex
	err error
	any bool // whether anything was written
}

func (r *result) Write(p []byte) (int, error) {
	n, err := r.to.Write(p)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.any = r.any || len(p) > 0
	if err != nil && r.err == nil {
		r.err = err
	}
	return n, err
}

func (r *result) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.err
}

// written reports whether there is a result.
func (r *result) written() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.any
}

// close closes a file that is written to: some file systems say only then that the
// disk is full.
func (r *result) close() {
	f, ok := r.to.(*os.File)
	if !ok {
		return
	}
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return
	}
	if err := f.Close(); err != nil && r.err == nil {
		r.err = err
	}
}

func (r *result) under() io.Writer { return r.to }

// outlet writes to a stream from a goroutine of its own: a pager that is not paged,
// or a terminal that is held, does not hold a deploy. What is not read yet is kept.
type outlet struct {
	to     io.Writer
	mu     sync.Mutex
	more   *sync.Cond
	kept   bytes.Buffer
	closed bool
	done   chan struct{}
}

func newOutlet(to io.Writer) *outlet {
	o := &outlet{to: to, done: make(chan struct{})}
	o.more = sync.NewCond(&o.mu)
	go o.run()
	return o
}

func (o *outlet) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.more.Signal()
	return o.kept.Write(p)
}

func (o *outlet) run() {
	defer close(o.done)
	for {
		o.mu.Lock()
		for o.kept.Len() == 0 && !o.closed {
			o.more.Wait()
		}
		next := bytes.Clone(o.kept.Bytes())
		o.kept.Reset()
		o.mu.Unlock()
		if len(next) == 0 {
			return
		}
		_, _ = o.to.Write(next) // a stream that is gone loses progress, and nothing else
	}
}

// drain returns when all is written. Nothing may be written after it.
func (o *outlet) drain() {
	o.mu.Lock()
	o.closed = true
	o.more.Signal()
	o.mu.Unlock()
	<-o.done
}

func (o *outlet) under() io.Writer { return o.to }

// under is the stream that a program beside this one can write to by itself.
func under(stream io.Writer) io.Writer {
	for {
		wrapped, ok := stream.(interface{ under() io.Writer })
		if !ok {
			return stream
		}
		stream = wrapped.under()
	}
}

// terminal reports whether stream is a person's screen.
func terminal(stream any) bool {
	if w, ok := stream.(io.Writer); ok {
		stream = under(w)
	}
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
