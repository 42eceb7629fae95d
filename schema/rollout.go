package schema

import (
	"fmt"
	"slices"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/rule"
)

// rollout decodes how a service's pods are replaced.
func (d *decoder) rollout(n *node) Rollout {
	r := Rollout{
		Strategy:            n.get("strategy").str(),
		MinReadySeconds:     int32(n.get("minReadySeconds").int64()),
		DeadlineSeconds:     int32(n.get("deadlineSeconds").int64()),
		PodManagementPolicy: n.get("podManagementPolicy").str(),

		Partition:               count(n.get("partition")),
		RevisionHistoryLimit:    count(n.get("revisionHistoryLimit")),
		BackoffLimit:            count(n.get("backoffLimit")),
		Parallelism:             count(n.get("parallelism")),
		Completions:             count(n.get("completions")),
		Indexed:                 n.get("completionMode").str() == "Indexed",
		TTLSecondsAfterFinished: count(n.get("ttlSecondsAfterFinished")),
	}
	for name, to := range map[string]*string{"maxSurge": &r.MaxSurge, "maxUnavailable": &r.MaxUnavailable} {
		if f := n.get(name); f.is(cue.IntKind | cue.StringKind) {
			*to = f.text
		}
	}
	if at := n.get("deadlineSeconds"); r.DeadlineSeconds > 0 && r.DeadlineSeconds <= r.MinReadySeconds {
		d.against(at, n.get("minReadySeconds"), rule.DeadlineTooShort, fmt.Sprintf("%s is %d, which is over before a pod counts as ready", at.path, r.DeadlineSeconds),
			fmt.Sprintf("minReadySeconds is %d", r.MinReadySeconds), "make the deadline longer")
	}
	return r
}

// The fields that only some workloads have.
var (
	finite      = []string{Job, CronJob}
	revised     = []string{Deployment, StatefulSet, DaemonSet}
	notOfFinite = []struct{ name, why, hint string }{
		{"replicas", "a Job runs one pod to its end", "remove it"},
		{"probes", "a Job is done when its program ends, whatever probes say", "remove it"},
		{"expose", "a Job ends, and nobody is left to answer", "remove it"},
	}
	notOfDaemons = []struct{ name, why, hint string }{
		{"replicas", "a DaemonSet runs one pod on each node", "remove it"},
	}
	rolloutOf = []struct {
		name      string
		workloads []string
	}{
		{"strategy", revised},
		{"maxSurge", []string{Deployment, DaemonSet}},
		{"maxUnavailable", revised},
		{"minReadySeconds", revised},
		{"revisionHistoryLimit", revised},
		{"partition", []string{StatefulSet}},
		{"podManagementPolicy", []string{StatefulSet}},
		{"backoffLimit", finite},
		{"parallelism", finite},
		{"completions", finite},
		{"completionMode", finite},
		{"ttlSecondsAfterFinished", finite},
		{"successfulJobsHistoryLimit", []string{CronJob}},
		{"failedJobsHistoryLimit", []string{CronJob}},
	}
	strategyOf = map[string][]string{"Recreate": {Deployment}, "OnDelete": {StatefulSet, DaemonSet}}
)

// Finite reports whether the pods of a service run to their end: it is a Job or a
// CronJob.
func (s *Service) Finite() bool { return slices.Contains(finite, s.Workload) }

// workload checks that a service has only what its workload can have.
func (d *decoder) workload(n *node, s *Service) {
	if !settled(n, "workload") {
		return
	}
	kind := n.get("workload")
	not := notOfDaemons[:0]
	switch {
	case s.Finite():
		not = notOfFinite
	case s.Workload == DaemonSet:
		not = notOfDaemons
	}
	if s.Finite() || s.Workload == DaemonSet {
		s.Replicas = 0
	}
	for _, f := range not {
		if at := n.get(f.name); at != nil {
			d.against(at, kind, rule.NotOfWorkload, fmt.Sprintf("%s is a %s, which has no %s", n.path, s.Workload, f.name), f.why, f.hint)
		}
	}
	rollout := n.get("rollout")
	for _, f := range rolloutOf {
		if at := rollout.get(f.name); at != nil && !slices.Contains(f.workloads, s.Workload) {
			d.against(at, kind, rule.NotOfWorkload, fmt.Sprintf("%s is a %s, which has no rollout.%s", n.path, s.Workload, f.name),
				"only "+either(f.workloads)+" has it", "remove it")
		}
	}
	if of, ok := strategyOf[s.Rollout.Strategy]; ok && !slices.Contains(of, s.Workload) && !s.Finite() {
		d.against(rollout.get("strategy"), kind, rule.NotOfWorkload, fmt.Sprintf("%s is a %s, which has no strategy %q", n.path, s.Workload, s.Rollout.Strategy),
			"only "+either(of)+" has it", "remove it")
	}
	d.shared(n, s)
	if !s.Finite() {
		d.progress(n, s)
	}
	const longest = 52 // of a StatefulSet: the label controller-revision-hash is its name, - and 10 more
	if s.Workload == StatefulSet && len(s.Name) > longest {
		d.wrong(n, rule.WrongName, fmt.Sprintf("%s has a name of %d characters, but a StatefulSet may have %d", n.path, len(s.Name), longest),
			"Kubernetes puts the name with a hash into a label, which may have 63", "give it a shorter name")
	}
}

// progress checks that the pods of a service can be replaced at all.
func (d *decoder) progress(n *node, s *Service) {
	rollout := n.get("rollout")
	surge, away := rollout.get("maxSurge"), rollout.get("maxUnavailable")
	none := func(f *node) bool { return f.is(cue.IntKind|cue.StringKind) && (f.text == "0" || f.text == "0%") }
	if s.Workload == StatefulSet {
		if none(away) {
			d.wrong(away, rule.RolloutStuck, away.path+" is 0, so no pod could ever be replaced",
				"a StatefulSet replaces a pod by removing it first", "remove it, or write 1 or more")
		}
		return
	}
	if s.Workload == DaemonSet {
		if surge.is(cue.IntKind|cue.StringKind) && !none(surge) && away.is(cue.IntKind|cue.StringKind) && !none(away) {
			d.against(surge, away, rule.NotOfWorkload, fmt.Sprintf("%s has both maxSurge and maxUnavailable", rollout.path),
				"a DaemonSet replaces a pod either by starting the new one first, or by ending the old one first", "keep one of them")
		}
		if none(away) && (surge == nil && rollout.missing("maxSurge") || none(surge)) {
			d.wrong(away, rule.RolloutStuck, away.path+" is 0, so no pod could ever be replaced", "a DaemonSet without maxSurge ends a pod before it starts the new one",
				"remove it, or write maxSurge: 1")
		}
		return
	}
	if recreated := s.Recreated(); recreated {
		for _, at := range []*node{surge, away} {
			if at == nil || at.bad || !settled(rollout, "strategy") {
				continue
			}
			why, other := "its strategy is Recreate", rollout.get("strategy")
			switch {
			case s.Availability == ActivePassive:
				why, other = "an active-passive service never has two pods at once", n.get("availability")
			case other == nil:
				why = "it is recreated, as only one node may use its claim at a time"
			}
			d.against(at, other, rule.NotOfWorkload, fmt.Sprintf("%s is of a rolling update, which %s does not have", at.path, n.path), why, "remove it")
		}
		return
	}
	if none(surge) && (none(away) || away == nil && rollout.missing("maxUnavailable")) {
		d.against(surge, away, rule.RolloutStuck, fmt.Sprintf("%s can never be updated: neither a pod more nor a pod less is allowed", n.path),
			"maxSurge and maxUnavailable are both 0 (maxUnavailable is, when it is not given)", "write maxUnavailable: 1, or a maxSurge of 1 or more")
	}
}

// Recreated reports whether all pods of a Deployment end before new ones start:
// its strategy, or the default for what has a claim that only one node may use.
func (s *Service) Recreated() bool {
	if s.Workload != Deployment || s.Rollout.Strategy != "" {
		return s.Workload == Deployment && s.Rollout.Strategy == "Recreate"
	}
	return slices.ContainsFunc(s.Volumes, func(v Volume) bool { return v.Claim != nil && v.Claim.OneNode() })
}

// either joins kinds for a sentence: "a Deployment or a StatefulSet".
func either(kinds []string) string {
	text := ""
	for i, k := range kinds {
		switch {
		case i > 0 && i == len(kinds)-1:
			text += " or "
		case i > 0:
			text += ", "
		}
		text += "a " + k
	}
	return text
}

// lifecycle decodes how a service's container stops.
func (d *decoder) lifecycle(n, service *node, s *Service) Lifecycle {
	l := Lifecycle{TerminationGracePeriodSeconds: id(n.get("terminationGracePeriodSeconds"))}
	stop := n.get("preStop")
	if !stop.is(cue.StructKind) {
		return l
	}
	l.PreStop = &PreStop{
		Exec:         d.exec(stop),
		HTTP:         d.httpProbe(stop.get("http"), service, s.Ports),
		SleepSeconds: id(stop.get("sleepSeconds")),
	}
	d.oneOf(stop, []string{"exec", "http", "sleepSeconds"}, "does more than one thing", "Kubernetes does one thing before it stops a container",
		"does not say what to do", `write one of exec: ["PROGRAM", "ARGUMENT"], http: "/stop", sleepSeconds: 5`)
	grace := int64(30)
	if l.TerminationGracePeriodSeconds != nil {
		grace = *l.TerminationGracePeriodSeconds
	}
	if sleep := l.PreStop.SleepSeconds; sleep != nil && *sleep > grace {
		d.against(stop.get("sleepSeconds"), n.get("terminationGracePeriodSeconds"), rule.SleepTooLong,
			fmt.Sprintf("%s.sleepSeconds is %d, longer than the container has to stop", stop.path, *sleep),
			fmt.Sprintf("terminationGracePeriodSeconds is %d, and the sleep counts", grace), "sleep less, or give it a longer grace period")
	}
	return l
}
