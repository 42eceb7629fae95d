package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shipit-dev/shipit/sandbox/internal/layout"
)

func newLogs(streams IO) *cobra.Command {
	var component string
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs [NAME]",
		Short: "Print the log of a component, or list the logs there are",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := open(streams, args)
			if err != nil {
				return err
			}
			c.Close()
			l, err := place(streams, args)
			if err != nil {
				return err
			}
			names := logNames(l)
			if component == "" {
				_, err := fmt.Fprintf(streams.Out, "%s\n", strings.Join(names, "\n"))
				return err
			}
			// Only names of files that are there, so that no other path is read.
			for _, name := range names {
				if name == component {
					return copyLog(cmd.Context(), streams.Out, l.Log(name), follow)
				}
			}
			return fmt.Errorf("there is no log of %q; there are those of %s", component, strings.Join(names, ", "))
		},
	}
	cmd.Flags().StringVarP(&component, "component", "c", "", "the component whose log to print")
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on printing what is added")
	return cmd
}

// logNames returns the components that have a log, sorted.
func logNames(l layout.Layout) []string {
	files, _ := filepath.Glob(l.Log("*")) // the pattern is well-formed
	names := make([]string, 0, len(files))
	for _, f := range files {
		names = append(names, strings.TrimSuffix(filepath.Base(f), ".log"))
	}
	return names
}

func copyLog(ctx context.Context, w io.Writer, path string, follow bool) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	for {
		if _, err := io.Copy(w, file); err != nil || !follow {
			return err
		}
		select {
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return nil
			}
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
