// Package confine bounds a part of a command's work, such as the evaluation of a
// project that somebody else wrote, where the command runs under a supervisor (package
// supervise): the address space is limited meanwhile, and the supervisor is told that
// the work is under way, so that it can say what ended it. Elsewhere it does nothing.
package confine

import (
	"os"
	"strings"
	"sync"
	"time"
)

// What is written to the supervisor: a byte, and after Entered a line.
const (
	Entered = 'e' // work begins, which the line says
	Alive   = 'a' // it goes on
	Left    = 'l' // all of it is over
	Ended   = 'x' // the command ended by itself, with the exit code that it has
)

// Beat is how often the supervisor hears that work goes on.
const Beat = time.Second

var (
	mu      sync.Mutex
	control *os.File // to the supervisor; nil without one
	depth   int
	restore func()
)

// By has a supervisor listen to the other end of w.
func By(w *os.File) { control = w }

// Enter begins work that may take so many bytes of memory more than the process has,
// and gives what ends it. What names it is for a person.
func Enter(what string, memory uint64) (leave func()) {
	mu.Lock()
	defer mu.Unlock()
	if control == nil {
		return func() {}
	}
	if depth++; depth == 1 {
		restore = limitSpace(memory)
		tell(Entered, strings.ReplaceAll(what, "\n", " ")+"\n")
	}
	return sync.OnceFunc(func() {
		mu.Lock()
		defer mu.Unlock()
		if depth--; depth == 0 {
			restore()
			tell(Left, "")
		}
	})
}

// Going tells the supervisor that work goes on.
func Going() {
	mu.Lock()
	defer mu.Unlock()
	tell(Alive, "")
}

// End tells the supervisor that the command ends by itself, and gives its exit code
// back.
func End(code int) int {
	mu.Lock()
	defer mu.Unlock()
	tell(Ended, "")
	return code
}

func tell(what byte, text string) {
	if control != nil {
		_, _ = control.Write(append([]byte{what}, text...)) // a supervisor that is gone asks for nothing
	}
}
