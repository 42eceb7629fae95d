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

func newStatusCommand(s streams) *cobra.Command {
	var (
		target deployedFlags
		output string
	)
	cmd := &cobra.Command{
		Use:        "status",
		SuggestFor: []string{"ps", "get", "list", "ls"},
		Short:      "Show what is deployed, and what is wrong with it",
		Args:       noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := checkFormat(output); err != nil {
				return err
			}
			app, client, err := target.open(cmd.Context(), s)
			if err != nil {
				return err
			}
			status, err := client.Status(cmd.Context())
			if err != nil {
				return err
			}
			if output == "json" {
				return s.statusJSON(app, status)
			}
			return s.status(app, status)
		},
	}
	target.add(cmd)
	addFormats(cmd, &output, "text", "json")
	return cmd
}

// status prints a table on stdout, and what is wrong on stderr.
func (s streams) status(app *schema.App, status *apply.AppStatus) error {
	if status.Terminating {
		err := &apply.TerminatingError{Namespace: status.Namespace}
		s.warn("%s, with all that is in it: %s", err, err.Hint())
	}
	if len(status.Left) > 0 && len(status.Units) == 0 {
		s.note("left by a command that was stopped: %s (%s first); shipit delete removes that", plural(len(status.Left), "object"), status.Left[0])
	}
	if len(status.Units) == 0 {
		s.nothing(status.App, status.Namespace)
		return nil
	}
	w := tabwriter.NewWriter(s.out, 0, 0, 2, ' ', 0)
	sources := map[string]bool{}
	for _, u := range status.Units {
		sources[u.Source] = true
	}
	last := "IMAGE"
	if len(sources) > 1 {
		last = "PROJECT\tIMAGE"
	}
	fmt.Fprintln(w, "SERVICE\tSTATE\tREADY\tRESTARTS\tRELEASE\tAGE\t"+last)
	for _, u := range status.Units {
		var refs []string
		for _, image := range u.Images {
			refs = append(refs, shortRef(image))
		}
		age := "-"
		if !u.Deployed.IsZero() {
			age = short(time.Since(u.Deployed).Round(time.Second))
		}
		var restarts int32
		for _, p := range u.Running {
			restarts += p.Restarts
		}
		ready := fmt.Sprintf("%d/%d", u.Pods.Ready, u.Pods.Wanted)
		if u.Pods.Wanted == 0 && len(u.Running) == 0 {
			ready = "-" // nothing of it runs all the time
		}
		printTo(w, cell, "%s\t%s\t%s\t%d\t%d\t%s", u.Name, u.State, ready, restarts, u.Release, age)
		if len(sources) > 1 {
			printTo(w, cell, "\t%s", u.Source)
		}
		printTo(w, cell, "\t%s\n", strings.Join(refs, " "))
	}
	if err := w.Flush(); err != nil {
		return err
	}
	s.expires(earliest(status.Units))
	for _, u := range status.Units {
		if u.Lock != nil {
			s.note("%s", u.Lock)
		}
		if u.State == apply.StateUnrecorded {
			s.note("%s: it is there, and no release of it is recorded; a deploy begins a new history, shipit delete %s removes it", u.Name, u.Name)
		}
		if u.State == apply.StateInterrupted {
			s.note("%s", stopped(u))
		}
		for _, t := range u.Tasks {
			s.note("%s: job %s (%s) %s", u.Name, t.Name, t.Phase, strings.TrimSpace(string(t.State)+" "+t.Message))
		}
		if u.Ready && u.Message != "" {
			s.note("%s: %s", u.Name, u.Message)
		}
		s.diagnosis(app, u.Diagnosis, nil)
	}
	return nil
}

// stopped says of a service what left it half-way, and which command goes on.
func stopped(u apply.UnitStatus) string {
	by := "deploy " + u.DeployID
	if u.By != "" {
		by = u.By + " (" + by + ")"
	}
	switch u.Stopped {
	case apply.StoppedRollback:
		return fmt.Sprintf("%s: its rollback to release %d was stopped half-way, by %s; to finish it: shipit rollback", u.Name, u.Release, by)
	case apply.StoppedDelete:
		return fmt.Sprintf("%s: its deletion was stopped half-way; to finish it: shipit delete %s; to have it back: shipit rollback", u.Name, u.Name)
	}
	if u.Healthy == 0 {
		return fmt.Sprintf("%s: its first deploy was stopped half-way, by %s; to go on: shipit deploy; to remove it: shipit delete %s", u.Name, by, u.Name)
	}
	return fmt.Sprintf("%s: its deploy was stopped half-way, by %s; to go on: shipit deploy; to return to release %d: shipit rollback", u.Name, by, u.Healthy)
}

// earliest is when the first of the units is over; zero when all of them stay.
func earliest(units []apply.UnitStatus) (at time.Time) {
	for _, u := range units {
		if u.Expires != nil && (at.IsZero() || u.Expires.Before(at)) {
			at = *u.Expires
		}
	}
	return at
}

// expires says how long an app with a ttl stays.
func (s streams) expires(at time.Time) {
	switch left := time.Until(at).Round(time.Second); {
	case at.IsZero():
	case left > 0:
		s.note("expires in %s unless it is deployed again", short(left))
	default:
		s.note("expired %s ago: shipit delete --expired removes it, a deploy renews it", short(-left))
	}
}
