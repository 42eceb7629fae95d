//go:build !unix

package registry

import "os/exec"

// killGroup leaves cmd to be killed alone: there are no process groups here.
func killGroup(*exec.Cmd) {}
