package apply

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
)

// pluginMark is a variable that client-go gives the plugins it runs.
const pluginMark = "KUBERNETES_EXEC_INFO="

// endPlugins kills the plugins that this process has started, with what they have
// started: client-go gives no way to, and one that outlives us keeps our output open.
func endPlugins() {
	for _, child := range children(os.Getpid()) {
		environ, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", child))
		if err == nil && bytes.Contains(append([]byte{0}, environ...), []byte("\x00"+pluginMark)) {
			kill(child)
		}
	}
}

func kill(pid int) {
	below := children(pid)
	_ = syscall.Kill(pid, syscall.SIGKILL)
	for _, child := range below {
		kill(child)
	}
}

// children are the processes that a process has started.
func children(pid int) (pids []int) {
	files, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", pid))
	for _, file := range files {
		text, _ := os.ReadFile(file)
		for _, field := range bytes.Fields(text) {
			if child, err := strconv.Atoi(string(field)); err == nil {
				pids = append(pids, child)
			}
		}
	}
	return pids
}
