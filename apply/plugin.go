package apply

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// pluginWithin is how long the plugin of a kubeconfig may take to give credentials:
// it may ask a person to log in.
const pluginWithin = time.Minute

// PluginError is a plugin of the kubeconfig that gives no credentials. The API server
// was not asked.
type PluginError struct {
	Program string
	Err     error
}

func (e *PluginError) Error() string {
	return fmt.Sprintf("the plugin %s, which the kubeconfig names, gives no credentials: %v", e.Program, e.Err)
}

// Unwrap gives what client-go says of it.
func (e *PluginError) Unwrap() error { return e.Err }

// Hint tells how to see what is wrong with it.
func (e *PluginError) Hint() string {
	return "run it by itself to see what it waits for or says, or choose another context with --context"
}

// plugged bounds what client-go does not: it runs the plugin before it sends a
// request, for as long as that takes, whatever becomes of the request.
type plugged struct {
	next    http.RoundTripper
	program string
	within  time.Duration
}

// passed is called when a request has got its credentials.
type passedKey struct{}

// sent is innermost, behind the plugin.
type sent struct{ next http.RoundTripper }

func (s sent) RoundTrip(req *http.Request) (*http.Response, error) {
	if passed, ok := req.Context().Value(passedKey{}).(func()); ok {
		passed()
	}
	return s.next.RoundTrip(req)
}

func (p plugged) RoundTrip(req *http.Request) (*http.Response, error) {
	ctx := req.Context()
	passed := make(chan struct{})
	type answer struct {
		res *http.Response
		err error
	}
	answered := make(chan answer, 1)
	go func() {
		inner := context.WithValue(ctx, passedKey{}, sync.OnceFunc(func() { close(passed) }))
		res, err := p.next.RoundTrip(req.Clone(inner)) //nolint:bodyclose // it is whoever's gets it
		answered <- answer{res, err}
	}()
	timer := time.NewTimer(p.within)
	defer timer.Stop()
	var err error
	select {
	case <-passed:
		a := <-answered // which the request's own context ends
		return a.res, a.err
	case a := <-answered:
		select {
		case <-passed:
		default:
			if a.err != nil && ctx.Err() == nil {
				a.err = &PluginError{p.program, a.err}
			}
		}
		return a.res, a.err
	case <-timer.C:
		err = &PluginError{p.program, fmt.Errorf("it did not end in %s", p.within)}
	case <-ctx.Done():
		err = ctx.Err()
	}
	endPlugins()
	go func() {
		if a := <-answered; a.res != nil {
			_ = a.res.Body.Close()
		}
	}()
	return nil, err
}
