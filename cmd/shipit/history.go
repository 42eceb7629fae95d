package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/schema"
)

func newHistoryCommand(s streams) *cobra.Command {
	var (
		target deployedFlags
		output string
	)
	cmd := &cobra.Command{
		Use:   "history [SERVICE...]",
		Short: "List the releases of services, newest first",
		Long: `List the releases of the services named, or of all, newest first: how each
ended, when, by whom, and in which deploy. The current one is marked. A number
is what rollback --to takes, a deploy what rollback --deploy takes.`,
		ValidArgsFunction: completeArgs(many, s.deployed),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(output); err != nil {
				return err
			}
			app, client, err := target.open(cmd.Context(), s)
			if err != nil {
				return err
			}
			units, err := client.History(cmd.Context(), args...)
			if err != nil {
				return err
			}
			if output == "json" {
				return s.json(jsonHistory{newDocument(), app.Name, app.Namespace, units})
			}
			return s.history(app, units)
		},
	}
	target.add(cmd)
	addFormats(cmd, &output, "text", "json")
	return cmd
}

// history prints one table for all units.
func (s streams) history(app *schema.App, units []apply.UnitHistory) error {
	if len(units) == 0 {
		s.nothing(app.Name, app.Namespace)
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "SERVICE\tRELEASE\tOUTCOME\tAGE\tBY\tDEPLOY\tIMAGE\tCAUSE")
	for _, u := range units {
		for _, r := range u.Releases {
			number := fmt.Sprint(r.Number)
			if r.Current {
				number += "*"
			}
			refs := make([]string, 0, len(r.Images))
			for _, image := range r.Images {
				refs = append(refs, shortRef(image))
			}
			printTo(w, cell, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", u.Name, number, r.Outcome,
				short(time.Since(r.At).Round(time.Second)), r.By, r.DeployID, strings.Join(refs, " "), r.Cause)
		}
	}
	return w.Flush()
}
