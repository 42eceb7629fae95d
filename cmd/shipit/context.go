package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"k8s.io/client-go/rest"

	"github.com/shipit-dev/shipit/internal/deploy"
	"github.com/shipit-dev/shipit/internal/nearest"
	"github.com/shipit-dev/shipit/schema"
)

// noClusterError is a machine where nothing says how to get at a cluster.
type noClusterError struct {
	files   []string // where a kubeconfig was looked for
	context string   // that was asked for, or ""
}

func (e *noClusterError) Error() string {
	what := "no cluster is configured"
	if e.context != "" {
		what = fmt.Sprintf("nothing says where context %q leads", e.context)
	}
	return what + ": there is no kubeconfig at " + strings.Join(e.files, ", ")
}

// Hint tells how to name a cluster.
func (e *noClusterError) Hint() string {
	return "name a kubeconfig with --kubeconfig or KUBECONFIG, or use a local cluster with --sandbox"
}

// noContextError is a context that the kubeconfig does not have, or none where one
// must be named.
type noContextError struct {
	context      string // or ""
	files, known []string
}

func (e *noContextError) Error() string {
	if e.context == "" {
		return "no context is chosen: the kubeconfig " + strings.Join(e.files, ", ") + " has no current-context"
	}
	return fmt.Sprintf("there is no context %q in the kubeconfig %s", e.context, strings.Join(e.files, ", "))
}

// Hint names the contexts there are, the one that was probably meant first.
func (e *noContextError) Hint() string {
	const most = 5
	known := slices.Sorted(slices.Values(e.known))
	if len(known) == 0 {
		return "it has none"
	}
	if near := nearest.Name(e.context, known); near != "" {
		i := slices.Index(known, near)
		known = slices.Concat([]string{near}, known[:i], known[i+1:])
	}
	said := "it has " + strings.Join(known[:min(most, len(known))], ", ")
	if len(known) > most {
		said += fmt.Sprintf(", and %d more", len(known)-most)
	}
	if e.context == "" {
		said += fmt.Sprintf("; choose one with --context %q, or context: in the environment", known[0])
	}
	return said
}

// noPluginError is a kubeconfig whose credentials come from a program that is not
// there.
type noPluginError struct {
	program string
	install string // how to install it, as the kubeconfig has it
	err     error
}

func (e *noPluginError) Error() string {
	return fmt.Sprintf("the kubeconfig's credentials come from the plugin %s, which cannot be run: %v", e.program, e.err)
}

// Unwrap gives what the operating system said.
func (e *noPluginError) Unwrap() error { return e.err }

// Hint tells how to get it.
func (e *noPluginError) Hint() string {
	if e.install != "" {
		return e.install
	}
	return "install " + filepath.Base(e.program) + " and put it in PATH, or choose another context with --context"
}

// plugged looks for the plugin that gives a config its credentials.
func plugged(config *rest.Config) error {
	if config.ExecProvider == nil {
		return nil
	}
	program := config.ExecProvider.Command
	_, err := exec.LookPath(program)
	var why *exec.Error
	if !errors.As(err, &why) {
		return err
	}
	return &noPluginError{program, strings.TrimSpace(config.ExecProvider.InstallHint), why.Err}
}

// named gives what is wrong with a context its place in the CUE, when it is the
// environment that names it.
func (f *clusterFlags) named(app *schema.App, err error) error {
	if f.kube.context != "" || app.Context == "" {
		return err
	}
	path := "environments." + app.Environment + ".context"
	return &deploy.PlacedError{Pos: app.Position(path), Path: path, Err: err}
}

// readable are those of files that are there.
func readable(files []string) []string {
	return slices.DeleteFunc(slices.Clone(files), func(file string) bool {
		_, err := os.Stat(file)
		return err != nil
	})
}
