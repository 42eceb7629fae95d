package schema

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"runtime/debug"
	"runtime/metrics"
	"strings"
	"time"
	"unicode/utf8"

	"cuelang.org/go/cue/scanner"
	"cuelang.org/go/cue/token"
	"github.com/shipit-dev/shipit/internal/confine"
	"github.com/shipit-dev/shipit/schema/rule"
)

// Limitations bound what evaluating a project may take. Zero values are the
// defaults.
type Limitations struct {
	Time   time.Duration // default: 10 seconds, and 40 more for each MiB of CUE; at most 2 minutes
	Memory uint64        // of the process beyond what it had, in bytes. Default: 1 GiB, and 512 bytes for each byte of CUE; at most 2 GiB, and 4/5 of GOMEMLIMIT
}

// The defaults of Limitations.
const (
	baseTime    = 10 * time.Second
	timePerByte = 40 * time.Second / (1 << 20)
	baseMemory  = 1 << 30
	memoryRatio = 512
	mostTime    = 2 * time.Minute
	mostMemory  = 2 << 30
)

// orDefault fills in what is not said, for a project with so many bytes of CUE.
func (l Limitations) orDefault(size int64) Limitations {
	if l.Time == 0 {
		l.Time = min(mostTime, baseTime+time.Duration(min(size, 1<<30))*timePerByte)
	}
	if l.Memory == 0 {
		l.Memory = min(mostMemory, baseMemory+uint64(min(size, 1<<30))*memoryRatio)
		if soft := debug.SetMemoryLimit(-1); soft < math.MaxInt64 {
			l.Memory = min(l.Memory, uint64(soft)/5*4)
		}
	}
	return l
}

// LimitError says that evaluating a project takes too much. The evaluation still
// runs, as CUE cannot be stopped: the process should end.
type LimitError struct {
	Dir  string // the project
	What string // "time" or "memory"
	Took string // the limit it went beyond, such as "10s" or "1.0 GiB"

	Loops   int // how many for clauses are inside of each other at LoopsAt; 0 and 1 blame none
	LoopsAt Pos // where they are most
}

func (e *LimitError) Error() string {
	if e.What == "time" {
		return fmt.Sprintf("evaluating %s takes longer than %s", e.Dir, e.Took)
	}
	return fmt.Sprintf("evaluating %s takes more memory than %s", e.Dir, e.Took)
}

// Hint says what may be the matter.
func (e *LimitError) Hint() string {
	if e.Loops > 1 {
		return fmt.Sprintf("look at %s first, where %d for clauses are inside of each other", e.LoopsAt, e.Loops)
	}
	return "look for comprehensions inside of each other, references that multiply, and definitions that use themselves"
}

// newLimitError makes one, and looks for what is probably to blame.
func newLimitError(p Project, what, took string) *LimitError {
	e := &LimitError{Dir: p.Dir, What: what, Took: took}
	e.LoopsAt, e.Loops = p.loops()
	return e
}

// within gives what f gives, or the error of ctx as soon as that ends, or a
// *LimitError as soon as f takes too much.
func within[T any](ctx context.Context, p Project, limits Limitations, f func() (T, error)) (T, error) {
	var none T
	if err := ctx.Err(); err != nil {
		return none, err
	}
	limits = limits.orDefault(p.size())
	defer confine.Enter("evaluating "+p.Dir, limits.Memory)()
	type result struct {
		value T
		err   error
	}
	done := make(chan result, 1)
	go func() {
		defer func() {
			if r := recover(); r != nil {
				done <- result{err: panicError(p, r)}
			}
		}()
		value, err := f()
		done <- result{value, err}
	}()
	over := make(chan error, 1)
	stop := make(chan struct{})
	defer close(stop)
	go watch(p, limits, over, stop)
	select {
	case r := <-done:
		return r.value, r.err
	case err := <-over:
		return none, err
	case <-ctx.Done():
		return none, fmt.Errorf("evaluating %s: %w", p.Dir, context.Cause(ctx))
	}
}

// panicError tells of a panic of CUE's: those for want of memory are the project's
// doing.
func panicError(p Project, r any) error {
	if text := fmt.Sprint(r); strings.Contains(text, "makeslice: len out of range") || strings.Contains(text, "Repeat output length overflow") {
		return newLimitError(p, "memory", "there can be")
	}
	return fmt.Errorf("evaluating %s: CUE panicked: %v\n%s", p.Dir, r, debug.Stack())
}

// watch looks every few milliseconds at what the process takes, until stop is
// closed. Stacks are watched too: a recursion without end would else end the
// process before all memory is taken.
func watch(p Project, limits Limitations, over chan<- error, stop <-chan struct{}) {
	const (
		often     = 10 * time.Millisecond
		maxStacks = 128 << 20
	)
	last, spent := time.Now(), time.Duration(0)
	first := footprint()
	beat := last
	ticker := time.NewTicker(often)
	defer ticker.Stop()
	for {
		select {
		case <-stop:
			return
		case <-ticker.C:
		}
		now, since := footprint(), time.Since(last)
		last = last.Add(since)
		if p.modules == nil || p.modules.fetching.Load() == 0 { // a registry has its own time
			spent += since
		}
		if last.Sub(beat) >= confine.Beat {
			beat = last
			confine.Going()
		}
		switch {
		case now.heap > first.heap+limits.Memory, now.stacks > first.stacks+maxStacks:
			over <- newLimitError(p, "memory", fmt.Sprintf("%.1f GiB", float64(limits.Memory)/(1<<30)))
			return
		case spent > limits.Time:
			over <- newLimitError(p, "time", limits.Time.Round(time.Second/10).String())
			return
		}
	}
}

// memory is what a process takes of it, in bytes.
type memory struct{ heap, stacks uint64 }

func footprint() memory {
	samples := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}}
	metrics.Read(samples)
	return memory{samples[0].Value.Uint64(), samples[1].Value.Uint64()}
}

// size gives the bytes of CUE in the project's package, times its environments:
// roughly how much work it is.
func (p Project) size() int64 {
	entries, err := os.ReadDir(p.Dir)
	if err != nil {
		return 0
	}
	var sum int64
	for _, e := range entries {
		if info, err := e.Info(); err == nil && isSource(e.Name()) {
			sum += info.Size()
		}
	}
	return sum
}

const (
	bounded = "what is evaluated is bounded, so that no file can take the machine"
	maxFile = 8 << 20
	// maxDepth bounds the parts that are inside of each other: brackets, fields of
	// fields, operands. A parser and an evaluator call themselves for each.
	maxDepth = 5000
)

// unreadable gives an error for a file that is too large or too deep to be read, or
// no text at all.
func unreadable(name string, data []byte, in Pos) *Error {
	if len(data) > maxFile {
		return tooLarge(in)
	}
	if bad := bytes.IndexRune(data, utf8.RuneError); bad >= 0 { // CUE has put these for what is no UTF-8
		if raw, err := os.ReadFile(name); err == nil && !utf8.Valid(raw) {
			return &Error{Code: rule.Syntax, Pos: offsetIn(name, data, bad, in), Message: "this file is not in UTF-8", Hint: "save it as text in UTF-8"}
		}
	}
	if offset, deep := tooDeep(name, data); deep {
		return &Error{Rule: rule.InputLimit, Pos: offsetIn(name, data, offset, in), Message: "this file is nested too deep here", Why: bounded}
	}
	return nil
}

func tooLarge(in Pos) *Error {
	return &Error{Rule: rule.InputLimit, Pos: in, Message: fmt.Sprintf("this file is larger than %d MiB", maxFile>>20), Why: bounded}
}

// tooDeep gives where the parts of a file are too many inside of each other.
func tooDeep(name string, data []byte) (offset int, deep bool) {
	if len(data) < maxDepth {
		return 0, false
	}
	var s scanner.Scanner
	s.Init(token.NewFile(name, -1, len(data)), data, nil, 0)
	type part struct {
		tokens int  // since its last comma
		text   bool // what is computed inside of a string
	}
	sum, parts, interpolation := 0, []part{{}}, false
	for {
		pos, tok, _ := s.Scan()
		top := len(parts) - 1
		parts[top].tokens++
		sum++
		switch tok {
		case token.EOF:
			return 0, false
		case token.COMMA:
			sum, parts[top].tokens = sum-parts[top].tokens, 0
		case token.INTERPOLATION:
			interpolation = true
		case token.LBRACE, token.LBRACK, token.LPAREN:
			parts = append(parts, part{text: interpolation})
			interpolation = false
		case token.RBRACE, token.RBRACK, token.RPAREN:
			if top == 0 {
				return 0, false // the parser says so
			}
			sum -= parts[top].tokens
			text := parts[top].text
			if parts = parts[:top]; text {
				interpolation = strings.HasSuffix(s.ResumeInterpolation(), "(")
			}
		}
		if sum > maxDepth {
			return pos.Offset(), true
		}
	}
}
