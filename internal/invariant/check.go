package invariant

import (
	"fmt"
	"maps"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// Settled returns what keeps s from being a known, healthy state: every unit is at its
// last healthy release, what the record of that release says is there and nothing else
// is, its pods are ready, and nobody holds anything.
func (s *State) Settled() []string { return append(s.Tidy(), s.Agrees()...) }

// Agrees is Settled but for what is left over, which an unchanged deploy does not look
// for: it writes nothing.
func (s *State) Agrees() []string {
	var wrong []string
	if s.Index == nil {
		return s.orphans(nil)
	}
	wanted := map[Ref]bool{}
	for _, name := range slices.Sorted(maps.Keys(s.Index.Units)) {
		u := s.Index.Units[name]
		switch {
		case u.Release == 0 && u.State == "removed":
			continue
		case u.State != "deployed" || u.Release == 0 || u.Release != u.Healthy:
			wrong = append(wrong, fmt.Sprintf("%s: the index says %s, release %d, healthy %d", name, u.State, u.Release, u.Healthy))
		}
		wrong = append(wrong, s.unit(name, u, wanted)...)
	}
	return append(append(wrong, s.orphans(wanted)...), s.pods()...)
}

// Tidy returns what is left over of deploys that are not under way any more: locks,
// Leases, and records that nothing refers to.
func (s *State) Tidy() []string {
	var wrong []string
	for _, lease := range s.Leases {
		wrong = append(wrong, "Lease "+lease+" is left")
	}
	known := map[string]bool{}
	if s.Index != nil {
		for _, name := range slices.Sorted(maps.Keys(s.Index.Units)) {
			u := s.Index.Units[name]
			if u.Lock != nil {
				wrong = append(wrong, fmt.Sprintf("%s is locked by deploy %s", name, u.Lock.Deploy))
			}
			known[u.Deploy] = true
			for _, r := range u.Releases {
				known[r.Deploy] = true
			}
		}
		for _, deploy := range s.Index.Recent {
			known[deploy] = true
		}
	}
	for _, deploy := range slices.Sorted(maps.Keys(s.Records)) {
		if !known[deploy] {
			wrong = append(wrong, "nothing refers to the records of deploy "+deploy)
		}
	}
	return wrong
}

// Gone returns what is left of an app that was removed: data is kept, and with history
// so is the index.
func (s *State) Gone(history bool) []string {
	wrong := append(s.Tidy(), s.orphans(nil)...)
	for _, p := range s.Pods {
		wrong = append(wrong, "Pod "+p.Name+" is left")
	}
	switch {
	case s.Index == nil:
	case !history:
		wrong = append(wrong, "the index is left")
	default:
		for _, name := range slices.Sorted(maps.Keys(s.Index.Units)) {
			if u := s.Index.Units[name]; u.State != "removed" || u.Release != 0 {
				wrong = append(wrong, fmt.Sprintf("%s: the index says %s, release %d", name, u.State, u.Release))
			}
		}
	}
	return wrong
}

// unit compares what is there of a unit with the record of its release, and notes in
// wanted what belongs to it.
func (s *State) unit(name string, u *Unit, wanted map[Ref]bool) []string {
	var wrong []string
	for _, r := range u.Releases {
		if r.Outcome != "deployed" && r.Number != u.Release {
			continue
		}
		for _, h := range r.Hashed {
			gv, _ := schema.ParseGroupVersion(h.APIVersion)
			wanted[Ref{gv.Group, h.Kind, h.Name}] = true
		}
		in := s.Intents[r.Deploy]
		if in == nil || in.Units[name].Release != r.Number {
			wrong = append(wrong, fmt.Sprintf("%s: release %d has no record", name, r.Number))
			continue
		}
		if r.Number != u.Release {
			continue
		}
		if r.Outcome != "deployed" {
			wrong = append(wrong, fmt.Sprintf("%s: release %d is current, and its outcome is %q", name, r.Number, r.Outcome))
		}
		for _, object := range in.Units[name].Objects {
			wrong = append(wrong, s.object(&unstructured.Unstructured{Object: object}, wanted)...)
		}
	}
	return wrong
}

func (s *State) object(o *unstructured.Unstructured, wanted map[Ref]bool) []string {
	ref := refOf(o)
	wanted[ref] = true
	live := s.Objects[ref]
	switch {
	case o.GetAnnotations()["shipit.dev/phase"] != "":
		return nil // it ran, and may be gone
	case live == nil:
		return []string{ref.String() + " is missing"}
	case live.GetDeletionTimestamp() != nil:
		return []string{ref.String() + " is being deleted"}
	}
	var wrong []string
	for _, key := range slices.Sorted(maps.Keys(o.Object)) {
		if key == "metadata" || key == "apiVersion" {
			continue
		}
		wrong = append(wrong, lacks(o.Object[key], live.Object[key], ref.String()+" ."+key)...)
	}
	for label, value := range o.GetLabels() {
		if got := live.GetLabels()[label]; got != value {
			wrong = append(wrong, fmt.Sprintf("%s: label %s is %q, want %q", ref, label, got, value))
		}
	}
	return wrong
}

// lacks returns in what live is not as wanted; it may have more.
func lacks(want, live any, path string) []string {
	var wrong []string
	switch want := want.(type) {
	case map[string]any:
		have, _ := live.(map[string]any)
		for _, key := range slices.Sorted(maps.Keys(want)) {
			wrong = append(wrong, lacks(want[key], have[key], path+"."+key)...)
		}
		return wrong
	case []any:
		have, _ := live.([]any)
		if len(have) < len(want) {
			return []string{fmt.Sprintf("%s has %d elements, want %d", path, len(have), len(want))}
		}
		for i := range want {
			wrong = append(wrong, lacks(want[i], have[i], fmt.Sprintf("%s[%d]", path, i))...)
		}
		return wrong
	}
	if fmt.Sprint(want) != fmt.Sprint(live) && (live != nil || !isZero(want)) {
		return []string{fmt.Sprintf("%s is %v, want %v", path, live, want)}
	}
	return nil
}

// isZero is of values that the API server may leave out.
func isZero(v any) bool { return v == "" || v == false || v == int64(0) }

// orphans are the objects that belong to no release; claims are data, and stay.
func (s *State) orphans(wanted map[Ref]bool) []string {
	var wrong []string
	for ref := range s.Objects {
		if !wanted[ref] && ref.Kind != "PersistentVolumeClaim" {
			wrong = append(wrong, ref.String()+" belongs to no release")
		}
	}
	slices.Sort(wrong)
	return wrong
}

// pods returns which workloads do not have just the ready pods that they are to have.
func (s *State) pods() []string {
	var wrong []string
	ready := map[string]int{}
	for _, p := range s.Pods {
		if !p.Ready {
			wrong = append(wrong, "Pod "+p.Name+" is not ready")
		}
		ready[p.Unit]++
	}
	for ref, o := range s.Objects {
		if ref.Kind != "Deployment" && ref.Kind != "StatefulSet" {
			continue
		}
		n, _, _ := unstructured.NestedInt64(o.Object, "spec", "replicas")
		if got := ready[o.GetLabels()[labelUnit]]; got != int(n) {
			wrong = append(wrong, fmt.Sprintf("%s has %d pods, want %d", ref, got, n))
		}
	}
	slices.Sort(wrong)
	return wrong
}

// Versions maps each unit with a workload to the variable VERSION in its template,
// and a pod that has another is a mistake.
func (s *State) Versions() (versions map[string]string, wrong []string) {
	versions = map[string]string{}
	for ref, o := range s.Objects {
		if ref.Kind == "Deployment" || ref.Kind == "StatefulSet" {
			versions[o.GetLabels()[labelUnit]] = versionIn(o.Object, "spec", "template", "spec")
		}
	}
	for _, p := range s.Pods {
		if p.Version != versions[p.Unit] {
			wrong = append(wrong, fmt.Sprintf("Pod %s is of version %s, want %s", p.Name, p.Version, versions[p.Unit]))
		}
	}
	return versions, wrong
}

// SamePods returns which pods of a unit were replaced or restarted since before.
func (s *State) SamePods(before *State, unit string) []string {
	var wrong []string
	for _, was := range before.Pods {
		if was.Unit != unit {
			continue
		}
		at := slices.IndexFunc(s.Pods, func(p Pod) bool { return p.UID == was.UID })
		switch {
		case at < 0:
			wrong = append(wrong, "Pod "+was.Name+" was replaced")
		case s.Pods[at].Restarts != was.Restarts:
			wrong = append(wrong, "Pod "+was.Name+" was restarted")
		}
	}
	return wrong
}

// Releases maps each unit to the release that the index has.
func (s *State) Releases() map[string]int {
	out := map[string]int{}
	if s.Index != nil {
		for name, u := range s.Index.Units {
			out[name] = u.Release
		}
	}
	return out
}

// VersionOf returns the variable VERSION that a recorded release has.
func (s *State) VersionOf(unit string, r Release) string {
	if in := s.Intents[r.Deploy]; in != nil {
		for _, object := range in.Units[unit].Objects {
			if v := versionIn(object, "spec", "template", "spec"); v != "" {
				return v
			}
		}
	}
	return ""
}
