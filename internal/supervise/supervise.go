//go:build unix

// Package supervise runs a program as its own child and waits for it, so that one that
// crashes, because a project takes all memory, say, ends with a sentence and an exit
// code of its own: Go would print hundreds of lines and exit with 2, which means
// something else. It is imported for its effect, which begins before most other
// packages are initialized: the parent costs some milliseconds.
package supervise

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/shipit-dev/shipit/internal/confine"
)

const (
	marker = "SHIPIT_SUPERVISED" // is set in the child
	stderr = 3                   // the child's file of the standard error; a crash is written to 2
	pipe   = 4                   // the child's file of what it tells

	crashed      = 1
	evaluation   = 3 // the configuration is invalid
	silence      = 20 * time.Second
	maxCrashText = 64 << 10
)

func init() {
	switch name := filepath.Base(os.Args[0]); {
	case os.Getenv(marker) != "":
		adopt()
	case strings.HasSuffix(name, ".test"), len(os.Args) < 2, slices.Contains([]string{"version", "--version", "help", "--help", "-h"}, os.Args[1]):
	default:
		supervise()
	}
}

// adopt makes this process the child.
func adopt() {
	_ = os.Unsetenv(marker)
	for _, fd := range []int{stderr, pipe} {
		var info syscall.Stat_t
		if syscall.Fstat(fd, &info) != nil {
			return // set by somebody else
		}
		syscall.CloseOnExec(fd)
	}
	os.Stderr = os.NewFile(stderr, "/dev/stderr")
	confine.By(os.NewFile(pipe, "supervisor"))
}

// supervise starts the child, and ends as it does. Where there can be none, the
// process goes on by itself.
func supervise() {
	c, err := start()
	if err != nil {
		return
	}
	code, sig := c.wait()
	if sig != 0 {
		signal.Reset(sig)
		_ = syscall.Kill(os.Getpid(), sig)
		time.Sleep(time.Second) // it arrives at any thread
		code = 128 + int(sig)
	}
	os.Exit(code)
}

// child is a process with what is known of it.
type child struct {
	process *os.Process
	crash   bytes.Buffer // what it printed when it crashed
	reading sync.WaitGroup

	mu     sync.Mutex
	within string // the work that it is at
	stuck  bool   // and was ended in
	ended  bool   // by itself
}

func start() (*child, error) {
	self, err := executable()
	if err != nil {
		return nil, err
	}
	crashR, crashW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer crashW.Close()
	toldR, toldW, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer toldW.Close()
	signals := make(chan os.Signal, 16)
	for _, sig := range []os.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2} {
		if !signal.Ignored(sig) {
			signal.Notify(signals, sig)
		}
	}
	c := &child{}
	c.process, err = os.StartProcess(self, os.Args, &os.ProcAttr{
		Files: []*os.File{os.Stdin, os.Stdout, crashW, os.Stderr, toldW},
		Env:   append(os.Environ(), marker+"=1"),
		Sys:   withParent(),
	})
	if err != nil {
		signal.Reset()
		return nil, err
	}
	go func() {
		for sig := range signals {
			_ = c.process.Signal(sig) // one that is over needs none
		}
	}()
	c.reading.Go(func() {
		_, _ = io.CopyN(&c.crash, crashR, maxCrashText)
		_, _ = io.Copy(io.Discard, crashR)
	})
	c.reading.Go(func() { c.listen(toldR) })
	return c, nil
}

// listen follows what the child tells, and ends it when it is silent in the middle of
// its work.
func (c *child) listen(told io.Reader) {
	late := false
	var dead *time.Timer
	dead = time.AfterFunc(time.Hour, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		switch {
		case c.within == "":
		case !late: // a process that was stopped for a while was not heard meanwhile
			late = true
			dead.Reset(silence / 4)
		default:
			c.stuck = true
			_ = c.process.Kill()
		}
	})
	defer dead.Stop()
	in := bufio.NewReader(told)
	for {
		what, err := in.ReadByte()
		if err != nil {
			return
		}
		line := ""
		if what == confine.Entered {
			line, _ = in.ReadString('\n')
		}
		c.mu.Lock()
		late = false
		switch what {
		case confine.Entered:
			c.within = strings.TrimSuffix(line, "\n")
			dead.Reset(silence)
		case confine.Alive:
			dead.Reset(silence)
		case confine.Left:
			c.within = ""
		case confine.Ended:
			c.ended, c.within = true, ""
		}
		c.mu.Unlock()
	}
}

// wait gives the exit code of the child, or the signal to end by as it did.
func (c *child) wait() (code int, sig syscall.Signal) {
	state, err := c.process.Wait()
	if err != nil {
		fmt.Fprintf(os.Stderr, "error: %v\n", err)
		return crashed, 0
	}
	status, _ := state.Sys().(syscall.WaitStatus)
	if c.isOver(status) {
		return status.ExitStatus(), 0
	}
	c.reading.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.within != "" && c.stuck:
		return c.tell(evaluation, fmt.Sprintf("%s does not end", c.within), false)
	case c.within != "":
		return c.tell(evaluation, fmt.Sprintf("%s takes more memory than there is", c.within), true)
	case status.Signaled() && c.crash.Len() == 0:
		return 0, status.Signal()
	}
	return c.tell(crashed, "shipit crashed", true)
}

// isOver reports whether the child ended by itself. Only a crash also exits with 2.
func (c *child) isOver(status syscall.WaitStatus) bool {
	if !status.Exited() {
		return false
	}
	if status.ExitStatus() != 2 {
		return true
	}
	c.reading.Wait()
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ended
}

// tell prints an error, with the first line of a crash, or with all of it when
// SHIPIT_CRASH asks for that.
func (c *child) tell(code int, message string, why bool) (int, syscall.Signal) {
	fmt.Fprintf(os.Stderr, "error: %s\n", message)
	first, _, _ := strings.Cut(strings.TrimSpace(c.crash.String()), "\n")
	switch {
	case !why || first == "":
	case os.Getenv("SHIPIT_CRASH") != "":
		_, _ = os.Stderr.Write(c.crash.Bytes())
	default:
		fmt.Fprintf(os.Stderr, "  why: %s\n", first)
	}
	switch code {
	case evaluation:
		fmt.Fprintln(os.Stderr, "hint: look for functions that make long strings, lists or numbers, comprehensions inside of each other, and references that multiply")
	case crashed:
		fmt.Fprintln(os.Stderr, "hint: this is a fault of shipit's; SHIPIT_CRASH=1 shows what to report")
	}
	return code, 0
}
