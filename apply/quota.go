package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/apply/health"
)

// quota is a ResourceQuota that counts every pod of the namespace.
type quota struct {
	name       string
	hard, used corev1.ResourceList
}

// quotaOf reads a ResourceQuota; one with scopes counts some pods only, and gets
// no limits here.
func quotaOf(o *unstructured.Unstructured) quota {
	q := quota{name: o.GetName(), hard: corev1.ResourceList{}, used: corev1.ResourceList{}}
	read := func(into corev1.ResourceList, fields ...string) {
		m, _, _ := unstructured.NestedMap(o.Object, fields...)
		for k, v := range m {
			if n, err := resource.ParseQuantity(fmt.Sprint(v)); err == nil {
				into[corev1.ResourceName(k)] = n
			}
		}
	}
	_, scopes, _ := unstructured.NestedSlice(o.Object, "spec", "scopes")
	_, selector, _ := unstructured.NestedMap(o.Object, "spec", "scopeSelector")
	if scopes || selector {
		return q
	}
	read(q.hard, "spec", "hard")
	read(q.used, "status", "used")
	return q
}

func (f *preflight) listQuotas(ctx context.Context) {
	ref := Ref{APIVersion: "v1", Kind: "ResourceQuota", Namespace: f.c.owner.Namespace}
	r, err := f.c.resource(ref)
	var list *unstructured.UnstructuredList
	if err == nil {
		list, err = r.List(ctx, metav1.ListOptions{})
		err = f.c.typed(err, ref, nil)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil {
		if isUnreachable(err) || ctx.Err() != nil {
			f.failed = err
			return
		}
		f.warned = append(f.warned, skipped("what the namespace's quota allows", err))
		return
	}
	for i := range list.Items {
		f.live = append(f.live, quotaOf(&list.Items[i]))
	}
}

// roomNow reports whether the quota that d blames has room by now: the controller
// that was refused has not asked again. Who may not look sees none.
func (c *Client) roomNow(ctx context.Context, d *Diagnosis) bool {
	name := health.ExceededQuota(d)
	if name == "" {
		return false
	}
	q, err := c.core.ResourceQuotas(c.owner.Namespace).Get(ctx, name, metav1.GetOptions{})
	return err == nil && health.HasRoom(q.Status, d.Message)
}

// judgeQuotas holds what the workloads ask for against every quota: of this
// deploy as it will be, of others as it is. What can never fit is an error; what
// does not fit beside what others use now is a warning.
func (f *preflight) judgeQuotas() {
	quotas := slices.Clone(f.quotas)
	for _, l := range f.live {
		i := slices.IndexFunc(quotas, func(q quota) bool { return q.name == l.name })
		if i < 0 {
			quotas = append(quotas, l)
		} else {
			quotas[i].used = l.used
		}
	}
	for _, q := range quotas {
		names := make([]string, 0, len(q.hard))
		for name := range q.hard {
			names = append(names, string(name))
		}
		slices.Sort(names)
		for _, name := range names {
			f.judge(q, corev1.ResourceName(name))
		}
	}
}

func (f *preflight) judge(q quota, name corev1.ResourceName) {
	hard := q.hard[name]
	var together, more resource.Quantity
	var parts []string
	var largest *podTemplate
	var most resource.Quantity
	alone := false
	for _, t := range f.templates {
		one, counts := health.PodNeeds(t.pod(), name)
		if !counts {
			return // not a resource of pods
		}
		need := times(one, t.replicas)
		more.Add(need)
		if t.now != nil {
			was, _ := health.PodNeeds(&t.now.spec, name)
			more.Sub(times(was, t.now.replicas))
		}
		if need.IsZero() {
			continue
		}
		if need.Cmp(hard) > 0 {
			alone = true
			d := Diagnosis{Code: CodeQuotaExceeded, Field: health.QuotaField(name), Hint: "raise the quota, ask for less, or run fewer replicas"}
			d.Message = fmt.Sprintf("quota %s allows %s %s, and %d × %s need %s: they can never fit", q.name, name, hard.String(), t.replicas, one.String(), need.String())
			if t.replicas == 1 {
				d.Message = fmt.Sprintf("quota %s allows %s %s, and one pod needs %s: it can never fit", q.name, name, hard.String(), need.String())
			}
			f.found = append(f.found, f.about(t, d))
			continue
		}
		if t.ref.Kind == "Job" || t.ref.Kind == "CronJob" {
			continue // it need not run beside the others
		}
		together.Add(need)
		parts = append(parts, t.unit+" "+need.String())
		if largest == nil || need.Cmp(most) > 0 {
			largest, most = t, need
		}
	}
	used := q.used[name]
	left := hard.DeepCopy()
	left.Sub(used)
	switch {
	case alone:
	case largest != nil && together.Cmp(hard) > 0:
		d := Diagnosis{Code: CodeQuotaExceeded, Field: health.QuotaField(name), Hint: "raise the quota, ask for less, or run fewer replicas"}
		d.Message = fmt.Sprintf("quota %s allows %s %s, and the services need %s together (%s): they can never fit", q.name, name, hard.String(), together.String(), strings.Join(parts, ", "))
		f.found = append(f.found, f.about(largest, d))
	case more.Sign() > 0 && more.Cmp(left) > 0:
		if left.Sign() < 0 {
			left = resource.Quantity{}
		}
		f.warned = append(f.warned, Event{Kind: EventWarning, Message: fmt.Sprintf(
			"quota %s: this deploy needs %s more %s, and %s of %s are left now", q.name, more.String(), name, left.String(), hard.String())})
	}
}

// pod is the pod as it would be admitted, with the defaults of limit ranges.
func (t *podTemplate) pod() *corev1.PodSpec {
	if t.admitted != nil {
		return t.admitted
	}
	return &t.spec
}

func times(q resource.Quantity, n int64) resource.Quantity {
	out := q.DeepCopy()
	out.Mul(n)
	return out
}
