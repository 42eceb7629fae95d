package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/shipit-dev/shipit/apply/health"
)

// PreflightError says what would keep pods from running, found before anything
// was written.
type PreflightError struct{ Diagnoses []*Diagnosis }

func (e *PreflightError) Error() string {
	parts := make([]string, len(e.Diagnoses))
	for i, d := range e.Diagnoses {
		parts[i] = d.String()
	}
	return strings.Join(parts, "; ")
}

// Hint is that of the first diagnosis that has one.
func (e *PreflightError) Hint() string {
	for _, d := range e.Diagnoses {
		if d.Hint != "" {
			return d.Hint
		}
	}
	return ""
}

// preflight finds what the objects' own dry runs do not: pod security, quota and
// limit ranges act on pods and not on their workloads, and nothing at all looks
// at what a template refers to. It looks at what changes only, and asks side by
// side with the dry runs.
type preflight struct {
	c         *Client
	templates []*podTemplate
	quotas    []quota // of this deploy
	resized   bool    // a workload or a quota changes
	made      map[string]*unstructured.Unstructured
	accounts  map[string]bool // service accounts that are not there yet
	classes   map[string]bool // priority classes that are not there yet
	promised  map[string]bool // Secrets that a controller makes of what this deploy makes
	unfilled  bool            // the Secrets of this deploy have no values
	relabels  bool            // what is demanded of pods in the namespace changes

	mu     sync.Mutex
	held   map[string]held // by kind and name: what references point to
	live   []quota
	nodes  []corev1.Node
	found  []*Diagnosis
	failed error
	warned []Event
}

// podTemplate is a workload with the pods it is to have.
type podTemplate struct {
	unit     string
	ref      Ref
	meta     metav1.ObjectMeta
	spec     corev1.PodSpec
	replicas int64
	changed  bool         // the pods are new
	now      *podTemplate // as it is in the cluster, nil when it is not there
	admitted *corev1.PodSpec
}

// newPreflight takes what it needs from the plan before the dry runs write to it.
func (c *Client) newPreflight(p *plan) *preflight {
	f := &preflight{c: c, made: map[string]*unstructured.Unstructured{}, held: map[string]held{}, accounts: map[string]bool{}, classes: map[string]bool{}, promised: map[string]bool{}, relabels: p.relabelled()}
	for _, ch := range p.changes {
		if name := secretOf(ch.desired); name != "" {
			f.promised["Secret/"+name] = true
		}
		moves := ch.action.writes()
		o := ch.desired
		switch {
		case o == nil:
			if ch.action == ActionUnchanged && ch.live != nil {
				f.made[ch.ref.Kind+"/"+ch.ref.Name] = ch.live
			}
			continue
		case ch.ref.Kind == "ServiceAccount" && ch.live == nil:
			f.accounts[ch.ref.Name] = true
		case ch.ref.Kind == "PriorityClass" && ch.live == nil:
			f.classes[ch.ref.Name] = true
		case ch.ref.Kind == "ResourceQuota":
			f.quotas = append(f.quotas, quotaOf(o))
			f.resized = f.resized || moves
		case ch.hook != "" && !moves:
			continue // it ran before
		case hasTemplate(kindRef{ch.ref.APIVersion, ch.ref.Kind}):
			t := templateOf(ch.unit, o)
			if t == nil {
				continue // the dry run says what is wrong with it
			}
			if ch.live != nil {
				t.now = templateOf(ch.unit, ch.live)
				if ch.scaled && t.now != nil {
					t.replicas = t.now.replicas // what it is applied with has none
				}
			}
			t.changed = moves && (ch.live == nil || slices.ContainsFunc(ch.maybe, inTemplate))
			f.resized = f.resized || moves
			f.templates = append(f.templates, t)
		}
		f.made[ch.ref.Kind+"/"+ch.ref.Name] = o
	}
	return f
}

func inTemplate(p fieldpath.Path) bool {
	names := fieldNames(p)
	return len(names) > 0 && names[0] == "spec" && (len(names) == 1 || names[1] == "template" || names[1] == "jobTemplate")
}

func templateOf(unit string, o *unstructured.Unstructured) *podTemplate {
	in, count := []string{"spec"}, "replicas"
	switch o.GetKind() {
	case "Job":
		count = "parallelism"
	case "CronJob":
		in, count = []string{"spec", "jobTemplate", "spec"}, "parallelism"
	}
	m, ok, _ := unstructured.NestedMap(o.Object, append(slices.Clone(in), "template")...)
	if !ok {
		return nil
	}
	var template corev1.PodTemplateSpec
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(m, &template); err != nil {
		return nil
	}
	t := &podTemplate{unit: unit, ref: refOf(o), meta: template.ObjectMeta, spec: template.Spec, replicas: 1}
	if n, ok, _ := unstructured.NestedInt64(o.Object, append(slices.Clone(in), count)...); ok {
		t.replicas = n
	}
	claims, _, _ := unstructured.NestedSlice(o.Object, "spec", "volumeClaimTemplates")
	for _, claim := range claims {
		m, _ := claim.(map[string]any)
		name, _, _ := unstructured.NestedString(m, "metadata", "name")
		t.spec.Volumes = append(t.spec.Volumes, corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{
			PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name + "-" + o.GetName() + "-0"},
		}})
	}
	return t
}

// start puts the questions into g.
func (f *preflight) start(ctx context.Context, g *errgroup.Group) {
	for _, t := range f.templates {
		if !t.changed {
			continue
		}
		g.Go(func() error { f.dryPod(ctx, t); return nil })
		wanted := health.References(&t.spec)
		for _, s := range t.spec.ImagePullSecrets {
			wanted = append(wanted, health.Reference{Kind: "Secret", Name: s.Name})
		}
		for _, r := range wanted {
			f.ask(ctx, g, r.Kind, r.Name)
		}
	}
	if f.resized && len(f.templates) > 0 {
		g.Go(func() error { f.listQuotas(ctx); return nil })
	}
	if slices.ContainsFunc(f.templates, (*podTemplate).needsNode) {
		g.Go(func() error { f.listNodes(ctx); return nil })
	}
}

// ask looks once for an object that is referred to and not made by this deploy.
func (f *preflight) ask(ctx context.Context, g *errgroup.Group, kind, name string) {
	key := kind + "/" + name
	f.mu.Lock()
	_, asked := f.held[key]
	made := f.made[key]
	if !asked {
		f.held[key] = held{object: made}
	}
	f.mu.Unlock()
	if asked || made != nil || key == "ConfigMap/"+rootCertificates {
		return // that one is in every namespace, a moment after its creation
	}
	g.Go(func() error {
		h := f.c.heldNow(ctx, kind, name)
		f.mu.Lock()
		defer f.mu.Unlock()
		f.held[key] = h
		return nil
	})
}

// dryPod asks whether a pod of the template would be admitted. Its service
// account and its priority class may not be there yet: then it is asked for a pod
// of others, because what is looked at here does not depend on them.
func (f *preflight) dryPod(ctx context.Context, t *podTemplate) {
	pod := &corev1.Pod{ObjectMeta: *t.meta.DeepCopy(), Spec: *t.spec.DeepCopy()}
	pod.Name, pod.GenerateName, pod.Namespace = "", t.ref.Name+"-", f.c.owner.Namespace
	if f.accounts[t.spec.ServiceAccountName] {
		pod.Spec.ServiceAccountName = ""
	}
	if f.classes[t.spec.PriorityClassName] {
		pod.Spec.PriorityClassName = ""
	}
	// The server's warnings about the pod are those about its workload.
	mute := context.WithValue(ctx, emitterKey{}, nil)
	for tries := 0; ; tries++ {
		got, err := f.c.core.Pods(pod.Namespace).Create(mute, pod, metav1.CreateOptions{
			DryRun: []string{metav1.DryRunAll}, FieldManager: f.c.owner.Manager(),
		})
		if err == nil {
			t.admitted = &got.Spec
			return
		}
		if account := pod.Spec.ServiceAccountName; (account == "" || account == "default") && noAccount(err) {
			// A namespace that was just made has no default account for a moment.
			if tries < 60 && pause(ctx, 50*time.Millisecond) {
				continue
			}
			return
		}
		f.refused(ctx, t, err)
		return
	}
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

func noAccount(err error) bool {
	return apierrors.IsForbidden(err) && strings.Contains(err.Error(), "error looking up service account")
}

// refused sorts out why the pod was not admitted.
func (f *preflight) refused(ctx context.Context, t *podTemplate, err error) {
	var forbidden *ForbiddenError
	typed := f.c.typed(err, Ref{APIVersion: "v1", Kind: "Pod", Namespace: f.c.owner.Namespace}, nil)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case ctx.Err() != nil || isUnreachable(typed):
		f.failed = typed
	case errors.As(typed, &forbidden):
		f.warned = append(f.warned, skipped("whether pods would be admitted", typed))
	case strings.Contains(err.Error(), "exceeded quota"):
		// Other pods may go before this one comes. What can never fit is counted.
		if len(f.quotas) == 0 {
			f.warned = append(f.warned, Event{Kind: EventWarning, Unit: t.unit, Message: fmt.Sprintf("%s: there is no room for another pod now: %s", t.unit, health.Denial(err.Error()))})
		}
	case isDenied(typed) && f.relabels:
		f.warned = append(f.warned, skipped("whether pods of "+t.unit+" would be admitted, as the labels of the namespace change", typed))
	case isDenied(typed), apierrors.IsInvalid(err):
		f.found = append(f.found, f.about(t, health.Denied(err.Error(), t.ref)))
	default:
		f.warned = append(f.warned, skipped("whether pods of "+t.unit+" would be admitted", typed))
	}
}

func (f *preflight) about(t *podTemplate, d Diagnosis) *Diagnosis {
	d.Unit, d.Object = t.unit, t.ref
	return &d
}

func skipped(what string, err error) Event {
	return Event{Kind: EventWarning, Message: "not checked " + what + ": " + err.Error(), Err: err}
}

// deny takes the denials of the objects' own dry runs. A policy that refuses pods
// and what makes them says it once.
func (f *preflight) deny(changes []*change) {
	for _, d := range denials(changes) {
		f.found = slices.DeleteFunc(f.found, func(p *Diagnosis) bool {
			return p.Unit == d.Unit && strings.HasSuffix(d.Message, ": "+p.Message)
		})
		f.found = append(f.found, d)
	}
}

// end judges the answers. All that is wrong is in one error.
func (f *preflight) end(em *emitter) error {
	if err := f.conclude(em); err != nil || len(f.found) == 0 {
		return err
	}
	return &PreflightError{Diagnoses: f.found}
}

// conclude makes of the answers what is wrong, and warns of what may be. The error is
// why there are no answers.
func (f *preflight) conclude(em *emitter) error {
	if f.failed != nil {
		return f.failed
	}
	unknown := map[string]bool{}
	for _, t := range f.templates {
		if !t.changed {
			continue
		}
		for _, refs := range byObject(health.References(&t.spec)) {
			key := refs[0].Kind + "/" + refs[0].Name
			h := f.held[key]
			switch {
			case key == "ConfigMap/"+rootCertificates, f.promised[key], f.unfilled && refs[0].Kind == "Secret" && f.made[key] != nil:
			case h.err != nil:
				if !unknown[key] {
					unknown[key] = true
					f.warned = append(f.warned, skipped("whether "+refs[0].Kind+" "+refs[0].Name+" is there", h.err))
				}
			default:
				if d := health.Missing(refs, h.object, f.c.owner.Namespace); d != nil {
					f.found = append(f.found, f.about(t, *d))
				}
			}
		}
		for _, s := range t.spec.ImagePullSecrets {
			if h := f.held["Secret/"+s.Name]; h.err == nil && h.object == nil {
				f.warned = append(f.warned, Event{Kind: EventWarning, Unit: t.unit, Message: fmt.Sprintf("%s: pull Secret %s does not exist in namespace %s: images are pulled without it", t.unit, s.Name, f.c.owner.Namespace)})
			}
		}
	}
	if f.resized {
		f.judgeQuotas()
	}
	f.judgeNodes()
	if em != nil {
		for _, ev := range f.warned {
			em.once(ev)
		}
	}
	slices.SortStableFunc(f.found, func(a, b *Diagnosis) int {
		return strings.Compare(a.Unit+"\x00"+a.Field, b.Unit+"\x00"+b.Field)
	})
	f.found = slices.CompactFunc(f.found, func(a, b *Diagnosis) bool { // of a service and of its tasks
		return a.Code == CodeAdmissionDenied && a.Unit == b.Unit && a.Message == b.Message
	})
	return nil
}
