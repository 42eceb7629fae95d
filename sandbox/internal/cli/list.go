package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/spf13/cobra"

	"github.com/shipit-dev/shipit/sandbox/internal/cluster"
	"github.com/shipit-dev/shipit/sandbox/internal/layout"
)

func newList(streams IO) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the sandboxes on this machine, and whether they are ready",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			l, err := place(streams, nil)
			if err != nil {
				return err
			}
			entries, err := os.ReadDir(l.Base)
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			for _, e := range entries {
				l, err := layout.Resolve(e.Name(), streams.Roots)
				if err != nil {
					continue // a lock, or a file that is not ours
				}
				c, err := cluster.Open(l, streams.Path)
				if err != nil {
					continue
				}
				state := "down"
				if c.Status(cmd.Context()).Ready {
					state = "ready"
				}
				c.Close()
				fmt.Fprintf(streams.Out, "%s\t%s\n", l.Name, state)
			}
			return nil
		},
	}
}
