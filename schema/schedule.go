package schema

import (
	"cmp"
	"fmt"
	"time"
	_ "time/tzdata" // a project is right or wrong on every machine

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/rule"
)

// scheduleFields are those that only a CronJob has.
var scheduleFields = []string{"schedule", "timeZone", "concurrencyPolicy", "suspend", "startingDeadlineSeconds"}

// schedule decodes when a CronJob runs; it is nil for the other workloads.
func (d *decoder) schedule(n *node, s *Service) *Schedule {
	if !settled(n, "workload") {
		return nil
	}
	if s.Workload != CronJob {
		for _, name := range scheduleFields {
			if at := n.get(name); at != nil {
				d.against(at, n.get("workload"), rule.NotOfWorkload, fmt.Sprintf("%s is a %s, which has no %s", n.path, s.Workload, name), "only a CronJob has it",
					`write workload: "CronJob", or remove it`)
			}
		}
		return nil
	}
	rollout := n.get("rollout")
	c := &Schedule{
		Cron:                       n.get("schedule").str(),
		TimeZone:                   n.get("timeZone").str(),
		ConcurrencyPolicy:          cmp.Or(n.get("concurrencyPolicy").str(), "Forbid"),
		Suspend:                    n.get("suspend").bool(false),
		StartingDeadlineSeconds:    id(n.get("startingDeadlineSeconds")),
		SuccessfulJobsHistoryLimit: count(rollout.get("successfulJobsHistoryLimit")),
		FailedJobsHistoryLimit:     count(rollout.get("failedJobsHistoryLimit")),
	}
	at := n.get("schedule")
	if n.missing("schedule") {
		d.wrong(n, rule.MissingField, n.path+" is a CronJob, but does not say when it runs", "", `write schedule: "30 4 * * *" for every day at 4:30, or "@hourly"`)
	} else if c.Cron != "" {
		if err := parseCron(c.Cron); err != nil {
			d.wrong(at, rule.CronLine, fmt.Sprintf("%s is %q, which is no schedule: %v", at.path, c.Cron, err), "", `write one such as "30 4 * * *" for every day at 4:30, or "@hourly"`)
		}
	}
	if c.TimeZone != "" {
		at := n.get("timeZone")
		if _, err := time.LoadLocation(c.TimeZone); err != nil || c.TimeZone == "Local" {
			d.wrong(at, rule.CronLine, fmt.Sprintf("%s is %q, which is no time zone", at.path, c.TimeZone), "", `write one such as "Europe/Berlin" or "UTC"`)
		}
	}
	const longest = 52 // Kubernetes adds the time to the names of its Jobs
	if len(s.Name) > longest {
		d.wrong(n, rule.WrongName, fmt.Sprintf("%s has a name of %d characters, but a CronJob may have %d", n.path, len(s.Name), longest),
			"Kubernetes names its Jobs by it and the time", "give it a shorter name")
	}
	return c
}

// count decodes a number that may be absent.
func count(n *node) *int32 {
	if !n.is(cue.IntKind) {
		return nil
	}
	i := int32(n.int64())
	return &i
}
