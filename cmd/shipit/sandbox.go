package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"
)

const defaultSandbox = "default"

// errNoSandbox is a machine without the sandbox's program.
var errNoSandbox = errors.New("shipit-sandbox is not beside shipit, nor in PATH, and SHIPIT_SANDBOX does not name it")

// newSandboxCommand hands its arguments to the sandbox's own program, which
// knows its commands and flags.
func newSandboxCommand(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "sandbox up|down|status|list|kubeconfig|registry|logs|open [NAME]",
		Short: "Run a real Kubernetes cluster and registry on this machine",
		Long: `Run a real Kubernetes cluster and an OCI registry on this machine, without
Docker and without the internet. The work is done by the program shipit-sandbox,
found in SHIPIT_SANDBOX, beside shipit, or in PATH.`,
		DisableFlagParsing: true,
		RunE: func(cmd *cobra.Command, args []string) error {
			program, err := sandboxProgram()
			if err != nil {
				return err
			}
			run := exec.CommandContext(cmd.Context(), program, args...)
			run.Stdin, run.Stdout, run.Stderr = s.in, s.out, s.err
			politely(run)
			var exit *exec.ExitError
			if err := run.Run(); errors.As(err, &exit) {
				return exitStatus(exit.ExitCode())
			} else if err != nil {
				return fmt.Errorf("running %s: %w", program, err)
			}
			return nil
		},
	}
}

// exitStatus is the exit code of a program that has said itself what was wrong.
type exitStatus int

func (e exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(e)) }

// sandboxProgram finds shipit-sandbox.
func sandboxProgram() (string, error) {
	if path := os.Getenv("SHIPIT_SANDBOX"); path != "" {
		return path, nil
	}
	if self, err := os.Executable(); err == nil {
		beside := filepath.Join(filepath.Dir(self), "shipit-sandbox")
		if _, err := os.Stat(beside); err == nil {
			return beside, nil
		}
	}
	if path, err := exec.LookPath("shipit-sandbox"); err == nil {
		return path, nil
	}
	return "", errNoSandbox
}

// sandboxTarget starts the sandbox called name when it is not running, and
// returns its cluster and registry.
func sandboxTarget(ctx context.Context, s streams, name string) (*target, error) {
	program, err := sandboxProgram()
	if err != nil {
		return nil, err
	}
	up := exec.CommandContext(ctx, program, "up", "--quiet", name)
	up.Stdout, up.Stderr = s.err, s.err
	politely(up)
	if err := up.Run(); err != nil {
		return nil, fmt.Errorf("sandbox %s did not start: %w", name, err)
	}
	kubeconfig, err := output(ctx, program, "kubeconfig", name)
	if err != nil {
		return nil, err
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("the kubeconfig of sandbox %s: %w", name, err)
	}
	address, err := output(ctx, program, "registry", name)
	if err != nil {
		return nil, err
	}
	return &target{config: config, label: "sandbox " + name, registry: strings.TrimSpace(string(address))}, nil
}

func output(ctx context.Context, program string, args ...string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", filepath.Base(program), strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}

// politely ends cmd with SIGTERM when its context ends, so that it can clean up.
func politely(cmd *exec.Cmd) {
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = 10 * time.Second
}
