package apply

import (
	"context"
	"sync"
	"time"
)

// emitter carries events from the goroutines of a call to its callback.
type emitter struct {
	ch    chan Event
	start time.Time
	said  sync.Map          // messages of once
	masks func(Event) Event // what is not to be said
}

func (e *emitter) emit(ev Event) {
	ev.Elapsed = time.Since(e.start)
	if e.masks != nil {
		ev = e.masks(ev)
	}
	e.ch <- ev
}

// once emits a warning that the same call may come upon again.
func (e *emitter) once(ev Event) {
	if _, was := e.said.LoadOrStore(ev.Message, true); !was {
		e.emit(ev)
	}
}

// withEvents runs fn beside the caller's goroutine, on which it calls sink for
// every event, one after the other, and returns when fn has. fn must have ended
// all that emits before it returns.
func withEvents[T any](ctx context.Context, c *Client, sink func(Event), fn func(context.Context, *emitter) T) T {
	e := &emitter{ch: make(chan Event, 64), start: time.Now(), masks: c.maskedEvent}
	done := make(chan T, 1)
	go func() {
		defer close(e.ch)
		done <- fn(context.WithValue(ctx, emitterKey{}, e), e)
	}()
	for ev := range e.ch {
		if sink != nil {
			sink(ev)
		}
	}
	return <-done
}

type emitterKey struct{}

// warnings turns the API server's Warning headers into events of the call that
// made the request.
type warnings struct{}

func (warnings) HandleWarningHeaderWithContext(ctx context.Context, code int, _ string, text string) {
	if e, ok := ctx.Value(emitterKey{}).(*emitter); ok && code == 299 && text != "" {
		e.emit(Event{Kind: EventWarning, Message: text})
	}
}
