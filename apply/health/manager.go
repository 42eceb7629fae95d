package health

import (
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// ManagerOf returns the entry of the field manager that owns the field at p of o,
// and the zero entry when none does. Of several it is the one that wrote last.
func ManagerOf(o metav1.Object, p fieldpath.Path) metav1.ManagedFieldsEntry {
	var found metav1.ManagedFieldsEntry
	for _, f := range o.GetManagedFields() {
		if f.FieldsV1 == nil {
			continue
		}
		set := &fieldpath.Set{}
		if err := set.FromJSON(f.FieldsV1.GetRawReader()); err != nil || !set.Has(p) {
			continue
		}
		if found.Manager == "" || f.Time != nil && (found.Time == nil || found.Time.Before(f.Time)) {
			found = f
		}
	}
	return found
}

// SetBy says who set a field of o, and when: " by kubectl-rollout at 2026-11-29T18:03:00Z".
func SetBy(o metav1.Object, fields ...any) string {
	f := ManagerOf(o, fieldpath.MakePathOrDie(fields...))
	if f.Manager == "" {
		return ""
	}
	by := " by " + f.Manager
	if f.Time != nil {
		by += " at " + f.Time.UTC().Format("2006-01-02T15:04:05Z")
	}
	return by
}

// declared reports whether shipit applied a field of o, as somebody wrote it in the app.
func declared(o metav1.Object, fields ...any) bool {
	return strings.HasPrefix(ManagerOf(o, fieldpath.MakePathOrDie(fields...)).Manager, "shipit/")
}
