package apply

import (
	"context"
	"errors"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/apply/health"
)

// AppStatus is what is there, unit by unit in order of name.
type AppStatus struct {
	App         string       `json:"app"`
	Namespace   string       `json:"namespace"`
	Terminating bool         `json:"terminating,omitempty"` // the namespace is being deleted, with all that is in it
	Units       []UnitStatus `json:"services"`
	Left        []Ref        `json:"left,omitempty"` // what a command that was stopped left, when there is no index: a deletion removes it
}

// UnitStatus is one unit as the cluster has it now.
type UnitStatus struct {
	Name      string       `json:"name"`
	Source    string       `json:"source,omitempty"`
	State     State        `json:"state"`   // StateUnhealthy and StateInterrupted are seen, not recorded
	Release   int          `json:"release"` // 0 when it has none
	Healthy   int          `json:"healthy"` // its last healthy release
	DeployID  string       `json:"deployId,omitempty"`
	Deployed  time.Time    `json:"at"`
	Expires   *time.Time   `json:"expires,omitempty"` // nil when it stays
	By        string       `json:"by,omitempty"`
	Pods      Pods         `json:"pods"`
	Running   []PodStatus  `json:"running"`             // pods of the current template, by name
	Images    []string     `json:"images"`              // references in the templates of its workloads
	Ready     bool         `json:"ready"`               // rolled out, and probes pass
	Message   string       `json:"message,omitempty"`   // where the rollout is, mostly in kstatus' words; of what is ready, what it does not do by itself
	Diagnosis *Diagnosis   `json:"diagnosis,omitempty"` // what is wrong, nil when nothing is known to be
	Stopped   Stopped      `json:"stopped,omitempty"`   // of StateInterrupted: what was stopped half-way
	Lock      *LockedError `json:"lock,omitempty"`      // who moves it now, nil when nobody does
	Tasks     []TaskStatus `json:"tasks,omitempty"`     // its Jobs before and after that are there
}

// Stopped is what left a unit half-way.
type Stopped string

// What can be stopped half-way.
const (
	StoppedDeploy   Stopped = "deploy"
	StoppedRollback Stopped = "rollback"
	StoppedDelete   Stopped = "deletion"
)

// TaskStatus is a Job that belongs to the deploys of a unit. One that is removed
// after its end is not listed.
type TaskStatus struct {
	Name    string    `json:"name"`
	Phase   string    `json:"phase"` // before or after
	State   TaskState `json:"state"`
	Message string    `json:"message,omitempty"`
}

// TaskState is where a Job is.
type TaskState string

// The states of a Job.
const (
	TaskRunning   TaskState = "running"
	TaskCompleted TaskState = "completed"
	TaskFailed    TaskState = "failed"
)

func taskStatus(w *health.Workload) TaskStatus {
	s := TaskStatus{Name: w.Object.GetName(), Phase: hookPhase(w.Object), State: TaskRunning}
	v := health.Evaluate(w, 0)
	s.Message = v.Message
	switch {
	case v.Healthy:
		s.State, s.Message = TaskCompleted, ""
	case health.JobFailed(w.Object):
		s.State = TaskFailed
	}
	return s
}

// PodStatus is one pod. Restarts are those of all its containers.
type PodStatus struct {
	Name     string `json:"name"`
	Ready    bool   `json:"ready"`
	Restarts int32  `json:"restarts"`
}

func podStatus(p *corev1.Pod) PodStatus {
	s := PodStatus{Name: p.Name, Ready: health.Ready(p)}
	for _, c := range p.Status.ContainerStatuses {
		s.Restarts += c.RestartCount
	}
	return s
}

// Status reads the state and the workloads; it writes nothing.
func (c *Client) Status(ctx context.Context) (*AppStatus, error) {
	ctx = quiet(ctx)
	snap, err := store{c}.read(ctx)
	if err != nil {
		return nil, err
	}
	out := &AppStatus{App: c.owner.App, Namespace: c.owner.Namespace}
	var terminating *TerminatingError
	_, err = c.namespaceExists(ctx)
	out.Terminating = errors.As(err, &terminating)
	gone, err := c.stopped(ctx, &snap)
	if err != nil {
		return nil, err
	}
	names, err := c.named(&snap.index, nil)
	if err != nil {
		return nil, err
	}
	if snap.version == "" {
		// Who may not look for more sees what the index has: nothing.
		var forbidden *ForbiddenError
		if out.Left, err = c.leftBehind(ctx); err != nil && !errors.As(err, &forbidden) {
			return nil, err
		}
		if names, err = c.unrecorded(ctx, snap); err != nil && !errors.As(err, &forbidden) {
			return nil, err
		}
	}
	if len(names) == 0 {
		return out, nil
	}
	all, err := c.workloads(ctx, snap.Kinds)
	if err != nil {
		return nil, err
	}
	out.Units = make([]UnitStatus, len(names))
	g := &errgroup.Group{}
	g.SetLimit(8)
	for i, name := range names {
		g.Go(func() error {
			u := snap.Units[name]
			out.Units[i] = c.unitStatus(ctx, name, u, all)
			out.Units[i].look(gone)
			if at, ends := snap.Expires[u.Source]; ends {
				out.Units[i].Expires = &at
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return out, err
	}
	for i := range out.Units {
		c.maskStatus(ctx, &out.Units[i])
	}
	past := store{c}.pastRecords(ctx, map[string]*intent{})
	for i := range out.Units {
		if s := &out.Units[i]; s.State == StateInterrupted {
			s.Stopped, _ = snap.stoppedBy(s.Name, past) // without its record, only the state is known
		}
	}
	return out, nil
}

// workloads lists the app's workloads with their pods, and its CronJobs.
func (c *Client) workloads(ctx context.Context, kinds []kindRef) ([]*health.Workload, error) {
	kinds = slices.DeleteFunc(slices.Clone(kinds), func(k kindRef) bool { return !hasTemplate(k) })
	opts := metav1.ListOptions{LabelSelector: c.selector()}
	ns := c.owner.Namespace
	var live map[objectKey]*health.Workload
	var pods []*corev1.Pod
	var sets []*appsv1.ReplicaSet
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		objects, err := c.live(gctx, kinds)
		live = map[objectKey]*health.Workload{}
		for key, o := range objects {
			live[key] = &health.Workload{Object: o}
		}
		return err
	})
	g.Go(func() error {
		list, err := c.core.Pods(ns).List(gctx, opts)
		if err != nil {
			return c.typed(err, Ref{APIVersion: "v1", Kind: "Pod", Namespace: ns}, nil)
		}
		for i := range list.Items {
			pods = append(pods, &list.Items[i])
		}
		return nil
	})
	g.Go(func() error {
		list, err := c.apps.ReplicaSets(ns).List(gctx, opts)
		if err != nil {
			return c.typed(err, Ref{APIVersion: "apps/v1", Kind: "ReplicaSet", Namespace: ns}, nil)
		}
		for i := range list.Items {
			sets = append(sets, &list.Items[i])
		}
		return nil
	})
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var out []*health.Workload
	for _, w := range live {
		out = append(out, health.NewWorkload(w.Object, sets, pods))
	}
	slices.SortFunc(out, func(a, b *health.Workload) int { return compareRefs(refOf(a.Object), refOf(b.Object)) })
	return out, nil
}

// wrong is the worst that is known to be wrong. What may only take its time (a
// container that starts, a probe that does not pass yet) is nothing wrong until
// it has had it.
func (c *Client) wrong(ctx context.Context, unit string, w *health.Workload, v health.Verdict) *Diagnosis {
	for _, pr := range v.Problems {
		since := w.Object.GetCreationTimestamp().Time
		if p := w.Pod(pr.Pod); p != nil {
			since = p.CreationTimestamp.Time
		}
		lasted := time.Since(since)
		if (pr.Unsure || pr.Slow) && lasted < pr.Grace {
			continue
		}
		if d, certain := c.diagnose(ctx, unit, w, pr, lasted); certain || !pr.Unsure {
			return d
		}
	}
	return nil
}

func (c *Client) unitStatus(ctx context.Context, name string, u *unitState, all []*health.Workload) UnitStatus {
	s := UnitStatus{
		Name: name, Source: u.Source, State: u.State, Release: u.Release, Healthy: u.Healthy,
		DeployID: u.Deploy, Deployed: u.At, By: u.By, Ready: u.Release > 0,
	}
	if u.Lock != nil {
		s.Lock = &LockedError{Unit: name, Holder: u.Lock.By, DeployID: u.Lock.Deploy, Since: u.Lock.Since}
	}
	found := false
	for _, w := range all {
		if unitOf(w.Object) != name {
			continue
		}
		if hookPhase(w.Object) != "" {
			s.Tasks = append(s.Tasks, taskStatus(w))
			continue
		}
		found = true
		s.Images = append(s.Images, images([]*unstructured.Unstructured{w.Object})...)
		if s.Diagnosis == nil {
			if pr, ails := health.Ailing(w); ails {
				s.Diagnosis, _ = c.diagnose(ctx, name, w, pr, 0)
			}
		}
		if said := health.Remark(w.Object); said != "" && s.Message == "" {
			s.Message = said
		}
		if !hasPods(w.Object) {
			continue
		}
		v := health.Evaluate(w, 0)
		s.Pods.Wanted += v.Pods.Wanted
		s.Pods.Updated += v.Pods.Updated
		s.Pods.Ready += v.Pods.Ready
		for _, p := range w.Pods {
			s.Running = append(s.Running, podStatus(p))
		}
		if v.Healthy {
			continue
		}
		s.Ready, s.Message = false, v.Message
		if s.Diagnosis == nil {
			s.Diagnosis = c.wrong(ctx, name, w, v)
		}
	}
	if r := u.release(u.Release); !found && r != nil && len(r.Images) > 0 && r.finished() {
		s.Message = "its Jobs have run to their end, and were removed as they say"
	} else if !found && r != nil && len(r.Images) > 0 {
		s.Ready, s.Message = false, "its workloads are gone"
		s.Diagnosis = &Diagnosis{Code: CodeGone, Unit: name, Message: s.Message, Hint: "deploy it again: shipit deploy " + name}
	}
	return s
}
