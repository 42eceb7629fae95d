package apply

import (
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// CircleError says that units need each other: none of them could be first.
type CircleError struct {
	Units []string // in the order of their needs; the first is the last again
}

func (e *CircleError) Error() string {
	return "these need each other, so none of them can be first: " + strings.Join(e.Units, " -> ")
}

// NeedError says that a unit needs another one that is not moved with it and is
// not healthy now. Nothing was changed.
type NeedError struct {
	Unit, Need string
	Why        string
}

func (e *NeedError) Error() string {
	return fmt.Sprintf("%s needs %s, which %s", e.Unit, e.Need, e.Why)
}

// circle returns a CircleError when targets need each other in a circle.
func circle(targets []target) error {
	needs := map[string][]string{}
	for _, t := range targets {
		needs[t.unit] = t.needs
	}
	var path []string
	done := map[string]bool{}
	var visit func(unit string) error
	visit = func(unit string) error {
		if i := slices.Index(path, unit); i >= 0 {
			return &CircleError{Units: append(slices.Clone(path[i:]), unit)}
		}
		if done[unit] {
			return nil
		}
		path = append(path, unit)
		for _, need := range needs[unit] {
			if err := visit(need); err != nil {
				return err
			}
		}
		path = path[:len(path)-1]
		done[unit] = true
		return nil
	}
	for _, t := range targets {
		if err := visit(t.unit); err != nil {
			return err
		}
	}
	return nil
}

// edges returns for each of the nodes the other nodes that it must wait for:
// what it needs, and AppUnit. Records of different times may need each other in
// a circle, which no release did when it was made: the edge that closes a circle
// is left out.
func edges(targets []target, nodes []string) map[string][]string {
	out := map[string][]string{}
	var reaches func(from, to string) bool
	reaches = func(from, to string) bool {
		return from == to || slices.ContainsFunc(out[from], func(next string) bool { return reaches(next, to) })
	}
	for _, t := range targets {
		if !slices.Contains(nodes, t.unit) {
			continue
		}
		needs := slices.Clone(t.needs)
		if t.unit != AppUnit {
			needs = append(needs, AppUnit)
		}
		for _, need := range needs {
			if slices.Contains(nodes, need) && !slices.Contains(out[t.unit], need) && !reaches(need, t.unit) {
				out[t.unit] = append(out[t.unit], need)
			}
		}
	}
	return out
}

// levels sorts units by how many others must come before them, one after the
// other: no unit needs one of its own level or of a later one.
func levels(units []string, edges map[string][]string) [][]string {
	depths := map[string]int{}
	var depth func(unit string) int
	depth = func(unit string) int {
		d, known := depths[unit]
		if !known {
			for _, need := range edges[unit] {
				d = max(d, depth(need)+1)
			}
			depths[unit] = d
		}
		return d
	}
	var out [][]string
	for _, unit := range units {
		for len(out) <= depth(unit) {
			out = append(out, nil)
		}
		out[depth(unit)] = append(out[depth(unit)], unit)
	}
	return slices.DeleteFunc(out, func(level []string) bool { return len(level) == 0 })
}

// met returns a NeedError when one of units needs a unit outside of this deploy
// that is not healthy now. A rollback is not held up by that: it may be what
// mends it.
func (m *mover) met(units []string) error {
	if m.releases != nil {
		return nil
	}
	for _, t := range m.targets {
		if !slices.Contains(units, t.unit) {
			continue
		}
		for _, need := range t.needs {
			inside := slices.ContainsFunc(m.targets, func(t target) bool { return t.unit == need })
			if why := m.missing(need); !inside && why != "" {
				return &NeedError{Unit: t.unit, Need: need, Why: why}
			}
		}
	}
	return nil
}

// missing tells why a unit is not healthy now, "" when it is.
func (m *mover) missing(unit string) string {
	u := m.snap.Units[unit]
	switch {
	case u == nil || u.Release == 0:
		return "is not deployed"
	case u.Lock != nil && u.Lock.Deploy != m.id:
		held := &LockedError{Holder: u.Lock.By, DeployID: u.Lock.Deploy}
		return "is being deployed by " + held.holder()
	case u.State != StateDeployed:
		return fmt.Sprintf("is not at a healthy release (%s)", u.State)
	}
	var objects []*unstructured.Unstructured
	for _, o := range m.live {
		if unitOf(o) == unit {
			objects = append(objects, o)
		}
	}
	if pods, healthy := podsNow(objects); !healthy {
		return fmt.Sprintf("is not healthy now (%d of %d pods ready)", pods.Ready, pods.Wanted)
	}
	if r := u.release(u.Release); r != nil && len(r.Images) > 0 && !r.finished() && !slices.ContainsFunc(objects, runs) {
		return "has lost its workloads"
	}
	return ""
}

// hasPods reports whether o is a workload, and no hook.
func hasPods(o *unstructured.Unstructured) bool {
	return isWorkload(kindRef{o.GetAPIVersion(), o.GetKind()}) && hookPhase(o) == ""
}

// runs reports whether o has images, and is no hook.
func runs(o *unstructured.Unstructured) bool {
	return hasTemplate(kindRef{o.GetAPIVersion(), o.GetKind()}) && hookPhase(o) == ""
}
