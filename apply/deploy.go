package apply

import (
	"context"
	"slices"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"
)

// Deploy moves units to new releases and waits until they are healthy, or puts
// them back. See Outcome for how it may end. The error is nil exactly when the
// outcome is Unchanged or Deployed; the Result is never nil. sink may be nil; it
// is called on the caller's goroutine.
func (c *Client) Deploy(ctx context.Context, req Request, sink func(Event)) (*Result, error) {
	return c.call(ctx, sink, func(ctx context.Context, em *emitter) (*Result, error) {
		targets, err := c.accept(req.Units)
		if err == nil {
			err = circle(targets)
		}
		if err == nil && len(req.Only) > 0 {
			targets, err = only(targets, req.Only)
		}
		if err != nil {
			return &Result{Outcome: Refused}, err
		}
		m := &mover{
			c: c, em: em, id: req.DeployID, targets: targets, prune: len(req.Only) == 0,
			force: req.Force, timeout: req.Timeout, lockWait: req.LockWait, noRollback: req.NoRollback, abort: req.Abort,
			ttl: req.TTL, protected: req.Protected, secretsKey: req.SecretsKey, takeOver: req.TakeOver, missingCalls: req.MissingCalls,
		}
		if m.id == "" {
			m.id = newDeployID()
		}
		if err := checkDeployID(m.id); err != nil {
			return &Result{Outcome: Refused}, err
		}
		return m.run(ctx)
	})
}

// call runs one of the calls with its events on the caller's goroutine.
func (c *Client) call(ctx context.Context, sink func(Event), fn func(context.Context, *emitter) (*Result, error)) (*Result, error) {
	type answer struct {
		res *Result
		err error
	}
	a := withEvents(patient(quiet(ctx)), c, sink, func(ctx context.Context, em *emitter) answer {
		res, err := fn(ctx, em)
		return answer{res, err}
	})
	return c.maskedResult(a.res, a.err)
}

// quiet keeps client-go from logging to standard error under ctx: what matters
// arrives as an error or an event.
func quiet(ctx context.Context) context.Context {
	return klog.NewContext(ctx, logr.Discard())
}

// only picks the named targets.
func only(targets []target, names []string) ([]target, error) {
	var out []target
	for _, t := range targets {
		if slices.Contains(names, t.unit) {
			out = append(out, t)
		}
	}
	for _, name := range names {
		if !slices.ContainsFunc(out, func(t target) bool { return t.unit == name }) {
			e := &UnknownUnitError{Unit: name}
			for _, t := range targets {
				e.Known = append(e.Known, t.unit)
			}
			return nil, e
		}
	}
	return out, nil
}
