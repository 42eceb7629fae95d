package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"

	"github.com/shipit-dev/shipit/apply/health"
)

// What somebody else does to an object after this deploy wrote it makes it another
// than the one that was deployed: its health says nothing of the release.

// alteration is what somebody else changed.
type alteration struct {
	field   string // the first, as server-side apply writes it
	others  int    // fields beside this one
	manager string // the field manager that did it, "" when it is not known
	was, is any    // scalars, nil when they are not
}

// changedSince compares an object with what the server answered when it was applied: in
// the fields that manager owns, and in the whole of what its pods are made of,
// whoever owns it. Labels and annotations of the pods that others add are theirs.
func changedSince(was, is *unstructured.Unstructured, manager string) *alteration {
	owned, ok := ownedFields(was, manager)
	if !ok || is.GetKind() == "Job" {
		return nil // queues of Jobs fill in where their pods run
	}
	same := is.GetGeneration() > 0 && is.GetGeneration() == was.GetGeneration() // but for its metadata
	var paths []fieldpath.Path
	owned.Leaves().Iterate(func(p fieldpath.Path) {
		if same && !isLabel(p) {
			return
		}
		a, okA := valueAt(was.Object, p)
		b, okB := valueAt(is.Object, p)
		if okA != okB || !equality.Semantic.DeepEqual(a, b) {
			paths = append(paths, p.Copy())
		}
	})
	pod := podSpecPath(is)
	if len(paths) == 0 && pod != nil && !same {
		a, _ := valueAt(was.Object, pod)
		b, _ := valueAt(is.Object, pod)
		if !equality.Semantic.DeepEqual(a, b) {
			paths = addedBelow(pod, was, is)
		}
	}
	if len(paths) == 0 {
		return nil
	}
	c := &alteration{field: paths[0].String(), others: len(paths) - 1, manager: changedBy(is, paths[0], manager)}
	c.was, _ = valueAt(was.Object, paths[0])
	c.is, _ = valueAt(is.Object, paths[0])
	return c
}

func isLabel(p fieldpath.Path) bool {
	names := fieldNames(p)
	return len(names) > 2 && names[0] == "metadata" && names[1] == "labels"
}

// identifies reports whether the field, as server-side apply writes it, is a label by
// which the object is found.
func identifies(field string) bool {
	return slices.ContainsFunc([]string{labelName, labelPartOf, labelManagedBy}, func(label string) bool {
		return field == fieldpath.MakePathOrDie("metadata", "labels", label).String()
	})
}

// podSpecPath is where a workload says what its pods are made of; nil when it does not.
func podSpecPath(o *unstructured.Unstructured) fieldpath.Path {
	switch k := (kindRef{o.GetAPIVersion(), o.GetKind()}); {
	case isWorkload(k):
		return fieldpath.MakePathOrDie("spec", "template", "spec")
	case hasTemplate(k):
		return fieldpath.MakePathOrDie("spec", "jobTemplate", "spec", "template", "spec")
	}
	return nil
}

// addedBelow lists the fields at path that others own now and did not before, and path
// itself when there is none.
func addedBelow(path fieldpath.Path, was, is *unstructured.Unstructured) []fieldpath.Path {
	before := map[string]bool{}
	each := func(o *unstructured.Unstructured, do func(fieldpath.Path)) {
		for _, f := range o.GetManagedFields() {
			if set := fieldsOf(f); set != nil && f.Subresource == "" {
				set.Leaves().Iterate(func(p fieldpath.Path) {
					if len(p) > len(path) && p[:len(path)].Equals(path) {
						do(p)
					}
				})
			}
		}
	}
	each(was, func(p fieldpath.Path) { before[p.String()] = true })
	var out []fieldpath.Path
	each(is, func(p fieldpath.Path) {
		if !before[p.String()] {
			out = append(out, p.Copy())
		}
	})
	if len(out) == 0 {
		return []fieldpath.Path{path}
	}
	return out
}

func fieldsOf(f metav1.ManagedFieldsEntry) *fieldpath.Set {
	if f.FieldsV1 == nil {
		return nil
	}
	set := &fieldpath.Set{}
	if err := set.FromJSON(f.FieldsV1.GetRawReader()); err != nil {
		return nil
	}
	return set
}

// changedBy is the field manager, other than ours, that owns the field; when none does
// it is the one that wrote last.
func changedBy(o *unstructured.Unstructured, p fieldpath.Path, ours string) string {
	if name := health.ManagerOf(o, p).Manager; name != "" && name != ours {
		return name
	}
	var last metav1.ManagedFieldsEntry
	for _, f := range o.GetManagedFields() {
		if f.Manager != ours && f.Subresource != "status" && (last.Manager == "" || f.Time != nil && last.Time.Before(f.Time)) {
			last = f
		}
	}
	return last.Manager
}

func (c *alteration) String() string {
	s := c.field
	if scalar(c.was) && scalar(c.is) {
		s += fmt.Sprintf(" was applied as %v and is %v", c.was, c.is)
	} else {
		s += " is not as it was applied"
	}
	if c.manager != "" {
		s += ": " + c.manager + " changed it"
	}
	if c.others > 0 {
		s += fmt.Sprintf(" (and %d more fields)", c.others)
	}
	return s
}

func scalar(v any) bool {
	switch v.(type) {
	case string, bool, int64, float64:
		return true
	}
	return false
}

func (c *alteration) diagnosis(object Ref) Diagnosis {
	return Diagnosis{
		Code: CodeConflict, Object: object, Message: fmt.Sprintf("%s: %s, during this deploy", object, c),
		Hint: "write it in CUE, or let whoever changed it stop, and deploy again",
	}
}

// verdict is about a workload as it was applied. One that somebody deleted, or
// changed meanwhile, is another.
func (t *waiter) verdict(a awaited, wl *health.Workload) health.Verdict {
	if wl == nil {
		return health.Verdict{Message: "not there yet", Problems: []health.Problem{goneProblem(a, nil)}}
	}
	if olderThan(wl.Object.GetResourceVersion(), a.applied.GetResourceVersion()) {
		return health.Verdict{Message: "waiting for the controller"} // as it was before
	}
	v := health.Evaluate(wl, a.generation)
	ours := wl.Object.GetUID() == a.applied.GetUID()
	switch changed := changedSince(a.applied, wl.Object, t.c.owner.Manager()); {
	case ours && health.JobEnded(wl.Object): // its time to live removes it, which takes nothing from how it ended
	case !ours, wl.Object.GetDeletionTimestamp() != nil:
		v.Healthy, v.Problems = false, []health.Problem{goneProblem(a, wl.Object)}
	case changed != nil:
		v.Healthy, v.Problems = false, []health.Problem{{Key: "changed", Diagnosis: changed.diagnosis(a.ref)}}
	}
	return v
}

// goneProblem is about a workload that is not there any more; o is what is there instead.
func goneProblem(a awaited, o *unstructured.Unstructured) health.Problem {
	d := Diagnosis{Code: CodeGone, Object: a.ref, Hint: "deploy again"}
	grace := graceGone // a watch may be behind
	switch {
	case o == nil:
		d.Message = fmt.Sprintf("%s was deleted during this deploy", a.ref)
	case o.GetUID() != a.applied.GetUID():
		grace, d.Message = 0, fmt.Sprintf("%s was deleted during this deploy, and made anew by somebody else", a.ref)
	default:
		deleting := deletingError(a.ref, o, nil)
		grace, d.Message, d.Hint = 0, deleting.Error(), cmp.Or(deleting.Hint(), d.Hint)
	}
	return health.Problem{Key: "gone", Diagnosis: d, Grace: grace}
}

// whyGone says it of an object that is not found if it only lost its labels, or if its
// whole namespace goes.
func (c *Client) whyGone(ctx context.Context, d *Diagnosis) {
	var terminating *TerminatingError
	if err := c.whyEnded(ctx, nil); errors.As(err, &terminating) {
		d.Message, d.Hint = err.Error(), terminating.Hint()
		return
	}
	r, err := c.resource(d.Object)
	if err != nil {
		return
	}
	o, err := r.Get(ctx, d.Object.Name, metav1.GetOptions{})
	if err == nil && o.GetDeletionTimestamp() == nil && o.GetLabels()[labelPartOf] != c.owner.App {
		d.Message = fmt.Sprintf("%s lost the label %s during this deploy, by which it is found", d.Object, labelPartOf)
	}
}

// whyEnded replaces the cause of an end by the one behind it: in a namespace that is
// being deleted everything goes, the deploy's lock first.
func (c *Client) whyEnded(ctx context.Context, cause error) error {
	var terminating *TerminatingError
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), diagnoseFor)
	defer cancel()
	exists, err := c.namespaceExists(ctx)
	if err == nil && !exists {
		return &TerminatingError{Namespace: c.owner.Namespace} // it is gone already
	}
	if errors.As(err, &terminating) {
		return terminating
	}
	return cause
}
