package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/fatih/color"
	"github.com/spf13/cobra"

	"github.com/shipit-dev/shipit/apply"
)

func newLogsCommand(s streams) *cobra.Command {
	var (
		target deployedFlags
		req    apply.LogsRequest
		tail   int64
	)
	cmd := &cobra.Command{
		Use:   "logs SERVICE",
		Short: "Print the log lines of a service's pods",
		Long: `Print the log lines of all pods of a service, each after the name of its pod.
With -f, later lines too, and those of pods that come later, until interrupted.`,
		Example:           "  shipit logs web -f\n  shipit logs web --previous --tail 50",
		ValidArgsFunction: completeArgs(1, s.deployed),
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return usagef("%s takes the name of one service", cmd.CommandPath())
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if req.Follow && req.Previous {
				return usagef("--follow and --previous: what ended before gets no later lines")
			}
			if cmd.Flags().Changed("tail") {
				if tail < 0 {
					return usagef("--tail %d: a number of lines is 0 or more", tail)
				}
				req.Tail = &tail
			}
			_, client, err := target.open(cmd.Context(), s)
			if err != nil {
				return err
			}
			req.Unit = args[0]
			ctx, enough := context.WithCancel(cmd.Context())
			defer enough()
			line := s.logLine(req.Unit)
			var lost error
			err = client.Logs(ctx, req, func(l apply.LogLine) {
				if lost == nil {
					lost = line(l)
				}
				if lost != nil {
					enough() // of what nobody gets to see
				}
			})
			if lost != nil {
				return lost
			}
			if lines := target.namespace(); errors.As(err, new(*apply.NothingDeployedError)) && isNumber(lines) {
				return hinted{err, "-n is the namespace; the last lines are --tail " + lines}
			}
			return err
		},
	}
	target.add(cmd)
	cmd.Flags().BoolVarP(&req.Follow, "follow", "f", false, "go on until interrupted")
	cmd.Flags().BoolVarP(&req.Previous, "previous", "p", false, "of the container that ran before the current one")
	cmd.Flags().StringVarP(&req.Container, "container", "c", "", "of this container only (default: all)")
	cmd.Flags().Int64Var(&tail, "tail", 0, "only the last lines of each container (default: all)")
	cmd.Flags().DurationVar(&req.Since, "since", 0, "only lines that are newer, such as 5m (default: all)")
	return cmd
}

// isNumber reports whether text is a count, as tail takes it with -n.
func isNumber(text string) bool {
	_, err := strconv.ParseUint(text, 10, 64)
	return err == nil
}

// logLine prints a line with its pod, and its container where that is not the
// service's own. Lines come as a program wrote them: control characters are
// kept from a terminal, and from nothing else.
func (s streams) logLine(unit string) func(apply.LogLine) error {
	screen := terminal(s.out)
	return func(l apply.LogLine) error {
		from, text := l.Pod, l.Text
		if l.Container != unit {
			from += "/" + l.Container
		}
		if screen {
			printTo(s.out, logged, "%s %s\n", s.paint(color.FgCyan, from), text)
			return nil // a screen takes everything
		}
		_, err := fmt.Fprintf(s.out, "%s %s\n", from, text)
		return err
	}
}
