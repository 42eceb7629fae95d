// Command shipit takes a CUE description of microservices to running, healthy
// pods, and back again when they are not healthy.
//
// A command file parses flags, makes one call and prints. Data goes to stdout,
// progress to stderr; exit codes are in exit.go.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"

	_ "github.com/shipit-dev/shipit/internal/heap"
)

// version is set by the linker.
var version = "unknown"

func main() {
	os.Exit(run(os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr}))
}

// run is main with its streams named, so that a test can call it.
func run(args []string, s streams) int {
	// client-go logs through klog, to the standard error; what matters of it comes
	// back as errors and events.
	klog.SetLogger(logr.Discard())
	ctx, stop := signalContext(s)
	defer stop()
	return exitCode(s, execute(ctx, args, s))
}

// signalContext ends with the first SIGINT or SIGTERM, so that a deploy can put
// things back; a second one ends the process at once.
func signalContext(s streams) (context.Context, func()) {
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	done := make(chan struct{})
	go func() {
		select {
		case <-signals:
			cancel()
		case <-done:
			return
		}
		select {
		case <-signals:
			s.warn("interrupted twice: stopping at once. What was under way is left as it is; run the same command again to finish it.")
			os.Exit(exitStopped)
		case <-done:
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		close(done)
		cancel()
	}
}
