package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shipit-dev/shipit/sandbox/internal/cluster"
)

func newLogs(streams IO) *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs [COMPONENT]",
		Short: "Print the log of one component, or of all",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 1 {
				return fmt.Errorf("logs takes one component; if %s is a sandbox, write --sandbox=%[1]s", args[0])
			}
			return nil
		},
		ValidArgsFunction: func(_ *cobra.Command, args []string, _ string) ([]cobra.Completion, cobra.ShellCompDirective) {
			if len(args) > 0 {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			return streams.components(), cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := streams.open()
			if err != nil {
				return err
			}
			defer c.Close()
			component := ""
			if len(args) == 1 {
				component = args[0]
			}
			logs, err := c.Logs(component)
			var unknown *cluster.UnknownComponent
			if errors.As(err, &unknown) {
				return usageError{fmt.Errorf("%w; it has %s (another sandbox is --sandbox=NAME)", err, strings.Join(unknown.Known, ", "))}
			}
			return printLogs(cmd.Context(), streams.Out, logs, follow)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on as the log grows")
	return cmd
}

// tail is a log that was printed up to offset.
type tail struct {
	cluster.Log
	offset int64
}

func printLogs(ctx context.Context, w io.Writer, logs []cluster.Log, follow bool) error {
	tails := make([]tail, len(logs))
	for i, log := range logs {
		tails[i].Log = log
	}
	const interval = 200 * time.Millisecond
	for {
		for i := range tails {
			if err := tails[i].print(w, len(tails) > 1); err != nil {
				return err
			}
		}
		if !follow {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(interval):
		}
	}
}

// print prints what was added, each line after the component's name when there are several.
func (t *tail) print(w io.Writer, named bool) error {
	file, err := os.Open(t.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	if info, err := file.Stat(); err == nil && info.Size() < t.offset {
		t.offset = 0 // the component was started anew
	}
	if _, err := file.Seek(t.offset, io.SeekStart); err != nil {
		return err
	}
	data, err := io.ReadAll(file)
	if err != nil {
		return err
	}
	t.offset += int64(len(data))
	if !named {
		_, err := w.Write(data)
		return err
	}
	for line := range strings.Lines(string(data)) {
		if _, err := fmt.Fprintf(w, "%s | %s\n", t.Component, strings.TrimRight(line, "\n")); err != nil {
			return err
		}
	}
	return nil
}
