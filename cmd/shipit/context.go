package main

import (
	"fmt"
	"os"
	"slices"
	"strings"

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

// noContextError is a context that the kubeconfig does not have.
type noContextError struct {
	context      string
	files, known []string
}

func (e *noContextError) Error() string {
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
	return said
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
