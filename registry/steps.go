package registry

import (
	"fmt"
	"sync"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Step is something that takes its time in the making of an image.
type Step struct {
	Doing string        // "compiling ./web for linux/amd64"
	Took  time.Duration // so far; 0 when it begins
}

const (
	// heartbeat is how long what is being done is told once.
	heartbeat = 15 * time.Second
	// patience is how long what is mostly done at once is not told at all.
	patience = 2 * time.Second
)

// steps are what the tasks of one BuildAll are at.
type steps struct {
	tell func(i int, s Step) // one at a time
	beat time.Duration

	mu   sync.Mutex
	at   map[int]*current
	ends chan struct{}
	done sync.WaitGroup
}

// current is what one task is at.
type current struct {
	doing       func() string
	began, told time.Time
	quiet       bool // it was not told yet
}

func newSteps(beat time.Duration, tell func(int, Step)) *steps {
	s := &steps{tell: tell, beat: beat, at: map[int]*current{}, ends: make(chan struct{})}
	s.done.Go(func() {
		tick := time.NewTicker(max(beat/15, time.Millisecond))
		defer tick.Stop()
		for {
			select {
			case now := <-tick.C:
				s.repeat(now)
			case <-s.ends:
				return
			}
		}
	})
	return s
}

func (s *steps) end() {
	close(s.ends)
	s.done.Wait()
}

// begin says that task i is doing something now, at once or, when that is quiet,
// if it takes long. Nil is nothing.
func (s *steps) begin(i int, quiet bool, doing func() string) {
	s.mu.Lock()
	delete(s.at, i)
	if doing != nil {
		now := time.Now()
		s.at[i] = &current{doing: doing, began: now, told: now, quiet: quiet}
	}
	s.mu.Unlock()
	if doing != nil && !quiet {
		s.tell(i, Step{Doing: doing()})
	}
}

// repeat tells again what takes long.
func (s *steps) repeat(now time.Time) {
	type late struct {
		i    int
		step Step
	}
	var all []late
	s.mu.Lock()
	for i, c := range s.at {
		if silent := now.Sub(c.told); silent >= s.beat || c.quiet && silent >= patience {
			c.told, c.quiet = now, false
			all = append(all, late{i, Step{c.doing(), now.Sub(c.began)}})
		}
	}
	s.mu.Unlock()
	for _, l := range all {
		s.tell(l.i, l.step)
	}
}

// said is a step in words that do not change.
func said(format string, args ...any) func() string {
	return func() string { return fmt.Sprintf(format, args...) }
}

// sizeOf is how many bytes an image's layers have, or those of all of an index.
func sizeOf(img pushable) (size int64) {
	switch img := img.(type) {
	case v1.ImageIndex:
		manifest, err := img.IndexManifest()
		if err != nil {
			return 0
		}
		for _, m := range manifest.Manifests {
			if child, err := img.Image(m.Digest); err == nil {
				size += sizeOf(child)
			}
		}
	case v1.Image:
		manifest, err := img.Manifest()
		if err != nil {
			return 0
		}
		for _, l := range manifest.Layers {
			size += l.Size
		}
	}
	return size
}

// Bytes writes a size as people do: 12.3 MB.
func Bytes(n int64) string {
	if n < 100_000 {
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%.1f MB", float64(n)/1e6)
}
