// Package kit is what the services of the shop share: a server that starts,
// tells its health and stops as Kubernetes expects, a client that has patience
// with a service that is just being replaced, and errors in JSON. It knows
// nothing of what is sold.
package kit

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

// Main runs a service until it is asked to stop. The context that setup gets
// ends then, while requests are still answered for a while.
func Main(name string, setup func(context.Context, *Server) error) {
	main(func(ctx context.Context) error {
		unready, err := broken()
		if err != nil {
			return err
		}
		s := NewServer()
		if unready != "" {
			s.ReadyWhen(func(context.Context) error { return errors.New(unready) })
		}
		err = setup(ctx, s)
		if missing := s.err(); missing != nil { // which may be why setup failed
			return missing
		}
		if err != nil {
			return err
		}
		return s.serve(ctx, name)
	})
}

// Job runs something that ends by itself. Prepare reads the settings and gives
// back the work, which is only done when none is missing.
func Job(prepare func(*Env) (work func(context.Context) error)) {
	main(func(ctx context.Context) error {
		if _, err := broken(); err != nil {
			return err
		}
		env := &Env{}
		work := prepare(env)
		if err := env.err(); err != nil {
			return err
		}
		return work(ctx)
	})
}

// main has the only exit: the last line of a service that fails says why.
func main(run func(context.Context) error) {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{
		// Kubernetes knows the time of every line.
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			if len(groups) == 0 && a.Key == slog.TimeKey {
				return slog.Attr{}
			}
			return a
		},
	})))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "fatal:", err)
		os.Exit(1)
	}
}
