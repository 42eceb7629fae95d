package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/shipit-dev/shipit/internal/nearest"
)

const defaultSandbox = "default"

// errNoSandbox is a machine without the sandbox's program.
var errNoSandbox = errors.New("shipit-sandbox is not beside shipit, nor in PATH, and SHIPIT_SANDBOX does not name it")

// newSandboxCommand hands its arguments to the sandbox's own program, which
// knows its commands and flags.
func newSandboxCommand(s streams) *cobra.Command {
	return &cobra.Command{
		Use:   "sandbox up|down|status|list|kubeconfig|registry|login|logs|open [NAME]",
		Short: "Run a real Kubernetes cluster and registry on this machine",
		Long: `Run a real Kubernetes cluster and an OCI registry on this machine, without
Docker and without the internet. The work is done by the program shipit-sandbox,
found in SHIPIT_SANDBOX, beside shipit, or in PATH.`,
		DisableFlagParsing: true,
		ValidArgsFunction:  completeSandbox,
		RunE: func(cmd *cobra.Command, args []string) error {
			program, err := sandboxProgram()
			if err != nil {
				return err
			}
			run := exec.CommandContext(cmd.Context(), program, args...)
			run.Stdin, run.Stdout, run.Stderr = s.in, under(s.out), s.err
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

// sandboxTarget returns the cluster and registry of the sandbox called name. With
// start it starts one that is not running; without, one that is not there is an
// error that names those that are.
func sandboxTarget(ctx context.Context, s streams, name string, start bool) (*target, error) {
	program, err := sandboxProgram()
	if err != nil {
		return nil, err
	}
	if start {
		up := exec.CommandContext(ctx, program, "up", "--quiet", name)
		up.Stdout, up.Stderr = s.err, s.err
		politely(up)
		if err := up.Run(); err != nil {
			return nil, fmt.Errorf("sandbox %s did not start: %w", name, err)
		}
	}
	kubeconfig, err := output(ctx, program, "kubeconfig", name)
	if err != nil {
		if missing := absent(ctx, program, name); missing != nil {
			return nil, missing
		}
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
	// An older program has no login, and a registry that wants none.
	logins, _ := output(ctx, program, "login", name)
	return &target{config: config, label: "sandbox " + name, registry: strings.TrimSpace(string(address)), logins: logins}, ctx.Err()
}

// absent says that there is no sandbox called name, and which there are; nil when
// there is one.
func absent(ctx context.Context, program, name string) error {
	names, err := sandboxes(ctx, program)
	if err != nil {
		return nil // what was asked before says what is wrong
	}
	if slices.Contains(names, name) {
		return nil
	}
	there := "there is none"
	if len(names) > 0 {
		there = "there is " + strings.Join(names, ", ")
	}
	way := "shipit sandbox up " + name + " starts one, as a deploy to it does"
	if near := nearest.Name(name, names); near != "" {
		way = "did you mean --sandbox=" + near + "?"
	}
	return hinted{fmt.Errorf("there is no sandbox %s; %s", name, there), way}
}

// sandboxes returns the names of those there are.
func sandboxes(ctx context.Context, program string) ([]string, error) {
	list, err := output(ctx, program, "list")
	var names []string
	for line := range strings.Lines(string(list)) {
		name, _, _ := strings.Cut(strings.TrimSpace(line), "\t")
		names = append(names, name)
	}
	return names, err
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
