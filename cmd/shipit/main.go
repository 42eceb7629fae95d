// Command shipit takes a CUE description of microservices to running, healthy
// pods, and back again when they are not healthy.
//
// A command file parses flags, makes one call and prints. Data goes to stdout,
// progress to stderr; exit codes are in exit.go.
package main

import (
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"syscall"

	"github.com/go-logr/logr"
	"k8s.io/klog/v2"

	"github.com/shipit-dev/shipit/internal/confine"
	_ "github.com/shipit-dev/shipit/internal/heap"
)

// version is set by the linker; without it, as with go install, by main.
var version = "unknown"

// built is the version or the revision that the go command has written into the program.
func built() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			return s.Value[:min(12, len(s.Value))]
		}
	}
	return "unknown"
}

func main() {
	if version == "unknown" {
		version = built()
	}
	os.Exit(confine.End(run(os.Args[1:], streams{in: os.Stdin, out: os.Stdout, err: os.Stderr})))
}

// run is main with its streams named, so that a test can call it.
func run(args []string, s streams) int {
	// client-go logs through klog, to the standard error; what matters of it comes
	// back as errors and events.
	klog.SetLogger(logr.Discard())
	out := &result{to: s.out}
	s.out, s.session = out, &session{}
	ctx, stop := signalContext(s)
	defer stop()
	err := execute(ctx, args, s)
	if lost := out.failure(); lost != nil && errors.Is(err, lost) {
		err = nil // it is told below
	}
	code := exitCode(s, err)
	if err != nil && s.session.json && !out.written() {
		s.failureJSON(err, code)
	}
	out.close()
	return s.written(code, out.failure())
}

// written is the exit code of a command of which lost, if not nil, kept the result
// from being printed. A deploy whose reader went away did what it was asked all the
// same; whoever keeps its result in a file wants to know that the file is not whole.
func (s streams) written(code int, lost error) int {
	switch {
	case lost == nil:
		return code
	case code != exitDone && code != exitChanges, s.session.surviving() && isGone(lost):
		s.warn("the result could not be printed: %v", lost)
		return code
	case s.session.surviving():
		s.fail(fmt.Errorf("it was done, and its result could not be printed: %w", lost), "shipit status shows what is there")
		return exitError
	}
	s.fail(fmt.Errorf("the result could not be printed: %w", lost), "")
	return exitError
}

// isGone reports whether err is of a stream that nobody reads any more: a pipe that
// was closed, or a terminal that was.
func isGone(err error) bool { return errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.EIO) }
