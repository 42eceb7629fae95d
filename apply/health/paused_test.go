package health

import (
	"strings"
	"testing"
)

const byHand = `
  managedFields:
  - {manager: kubectl-rollout, operation: Update, time: "2026-11-29T18:03:00Z", apiVersion: apps/v1, fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:paused": {}, "f:suspend": {}}}}`

const byShipit = `
  managedFields:
  - {manager: shipit/ns/shop, operation: Apply, time: "2026-11-29T18:03:00Z", apiVersion: apps/v1, fieldsType: FieldsV1, fieldsV1: {"f:spec": {"f:paused": {}, "f:suspend": {}}}}`

// What somebody paused is told from what takes its time, and from what is written.
func TestPaused(t *testing.T) {
	t.Parallel()
	object := func(apiVersion, kind, managed, spec, status string) string {
		return "apiVersion: " + apiVersion + "\nkind: " + kind + "\nmetadata:\n  name: web\n  namespace: ns\n  generation: 2" + managed +
			"\nspec: {" + spec + "}\nstatus: {observedGeneration: 2, " + status + "}\n"
	}
	const (
		behind = `replicas: 2, updatedReplicas: 0, readyReplicas: 2, availableReplicas: 2, conditions: [{type: Progressing, status: Unknown, reason: DeploymentPaused}, {type: Available, status: "True"}]`
		there  = `replicas: 2, updatedReplicas: 2, readyReplicas: 2, availableReplicas: 2, conditions: [{type: Progressing, status: Unknown, reason: DeploymentPaused}, {type: Available, status: "True"}]`
	)
	for name, tt := range map[string]struct {
		object  string
		healthy bool
		problem string // what the message has; "" is that there is no such problem
		hint    string
		remark  string
	}{
		"a Deployment that somebody paused": {
			object("apps/v1", "Deployment", byHand, "paused: true, replicas: 2", behind), false,
			"Deployment web was paused by kubectl-rollout at 2026-11-29T18:03:00Z", "kubectl -n ns rollout resume deployment web", "was paused",
		},
		"one with all its pods": {object("apps/v1", "Deployment", byHand, "paused: true, replicas: 2", there), true, "", "", "was paused by kubectl-rollout"},
		"one that is written so": {
			object("apps/v1", "Deployment", byShipit, "paused: true, replicas: 2", behind), false,
			"spec.paused of Deployment web is true, as it is written", "drop paused", "as it is written",
		},
		"a Job that somebody suspended": {
			object("batch/v1", "Job", byHand, "suspend: true", "startTime: x"), false,
			"Job web was suspended by kubectl-rollout", `kubectl -n ns patch job web --type=merge -p '{"spec":{"suspend":false}}'`, "was suspended",
		},
		"a Job that is written so":          {object("batch/v1", "Job", byShipit, "suspend: true", "active: 0"), true, "", "", ""},
		"a Job that goes on":                {object("batch/v1", "Job", byHand, "suspend: false", "active: 1"), false, "", "", ""},
		"a CronJob that somebody suspended": {object("batch/v1", "CronJob", byHand, "suspend: true", "active: []"), true, "", "", "starts no Jobs until it is resumed: kubectl -n ns patch cronjob web"},
		"a CronJob that is written so":      {object("batch/v1", "CronJob", byShipit, "suspend: true", "active: []"), true, "", "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := parse(t, tt.object)
			v := Evaluate(&Workload{Object: o}, 0)
			var d *Diagnosis
			for _, pr := range v.Problems {
				if pr.Key == "paused" && pr.Grace == gracePaused {
					d = &pr.Diagnosis
				}
			}
			if v.Healthy != tt.healthy || (d != nil) != (tt.problem != "") {
				t.Fatalf("healthy %v (%s), problems %+v", v.Healthy, v.Message, v.Problems)
			}
			if d != nil && (d.Code != CodePaused || !strings.Contains(d.Message, tt.problem) || !strings.Contains(d.Hint, tt.hint)) {
				t.Errorf("diagnosis %+v", d)
			}
			if said := Remark(o); !strings.Contains(said, tt.remark) || (said == "") != (tt.remark == "") {
				t.Errorf("remark %q", said)
			}
		})
	}
	queued := parse(t, "apiVersion: batch/v1\nkind: Job\nmetadata: {name: j, labels: {kueue.x-k8s.io/queue-name: q}}\nspec: {suspend: true}\nstatus: {}")
	if v := Evaluate(&Workload{Object: queued}, 0); v.Healthy || v.Problems[0].Grace != never {
		t.Errorf("a Job that waits in a queue: %+v", v)
	}
}

// Pods that are replaced by hand, or not yet, are waited for until they are there and
// ready, and not until they are new.
func TestPodsThatStay(t *testing.T) {
	t.Parallel()
	set := func(strategy, status string) string {
		return "apiVersion: apps/v1\nkind: StatefulSet\nmetadata: {name: db, namespace: ns, generation: 1}\nspec: {replicas: 3, updateStrategy: " + strategy + "}\nstatus: {observedGeneration: 1, " + status + "}\n"
	}
	daemon := func(status string) string {
		return "apiVersion: apps/v1\nkind: DaemonSet\nmetadata: {name: db, namespace: ns, generation: 1}\nspec: {updateStrategy: {type: OnDelete}}\nstatus: {observedGeneration: 1, " + status + "}\n"
	}
	const (
		byHand    = "{type: OnDelete}"
		partition = "{type: RollingUpdate, rollingUpdate: {partition: 2}}"
		revisions = ", currentRevision: a, updateRevision: b"
	)
	for name, tt := range map[string]struct {
		object  string
		healthy bool
		remark  string
	}{
		"OnDelete, no pod yet":               {set(byHand, "replicas: 0"), false, ""},
		"OnDelete, not all of them":          {set(byHand, "replicas: 2, readyReplicas: 2, updatedReplicas: 2"), false, ""},
		"OnDelete, not ready":                {set(byHand, "replicas: 3, readyReplicas: 2, updatedReplicas: 3"), false, ""},
		"OnDelete, all of them":              {set(byHand, "replicas: 3, readyReplicas: 3, updatedReplicas: 3"), true, ""},
		"OnDelete, of an earlier release":    {set(byHand, "replicas: 3, readyReplicas: 3, updatedReplicas: 1"+revisions), true, "2 of 3 pods of StatefulSet db are of an earlier release and stay: with the strategy OnDelete"},
		"partition, first":                   {set(partition, "replicas: 3, readyReplicas: 3, currentReplicas: 3, updatedReplicas: 3, currentRevision: a, updateRevision: a"), true, ""},
		"partition, its pod not new yet":     {set(partition, "replicas: 3, readyReplicas: 3, currentReplicas: 3, updatedReplicas: 0"+revisions), false, "3 of 3"},
		"partition, the others stay":         {set(partition, "replicas: 3, readyReplicas: 3, currentReplicas: 2, updatedReplicas: 1"+revisions), true, "its partition is 2"},
		"a DaemonSet, no pod yet":            {daemon("desiredNumberScheduled: 1, currentNumberScheduled: 0"), false, ""},
		"a DaemonSet, not available":         {daemon("desiredNumberScheduled: 1, currentNumberScheduled: 1, numberReady: 1"), false, "1 of 1"},
		"a DaemonSet of an earlier release":  {daemon("desiredNumberScheduled: 1, currentNumberScheduled: 1, numberReady: 1, numberAvailable: 1, updatedNumberScheduled: 0"), true, "1 of 1 pods of DaemonSet db"},
		"a DaemonSet with all its new pods":  {daemon("desiredNumberScheduled: 1, currentNumberScheduled: 1, numberReady: 1, numberAvailable: 1, updatedNumberScheduled: 1"), true, ""},
		"a DaemonSet, its controller behind": {strings.Replace(daemon("desiredNumberScheduled: 1, currentNumberScheduled: 1, numberReady: 1, numberAvailable: 1"), "observedGeneration: 1", "observedGeneration: 0", 1), false, "1 of 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := parse(t, tt.object)
			if v := Evaluate(&Workload{Object: o}, 0); v.Healthy != tt.healthy {
				t.Errorf("healthy %v: %s", v.Healthy, v.Message)
			}
			if said := Remark(o); !strings.Contains(said, tt.remark) || (said == "") != (tt.remark == "") {
				t.Errorf("remark %q", said)
			}
		})
	}
}
