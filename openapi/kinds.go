package openapi

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/version"

	"github.com/shipit-dev/shipit/internal/nearest"
	"github.com/shipit-dev/shipit/openapi/internal/table"
)

// Served says whether the version serves a kind by itself, and whether its
// objects live in a namespace.
func (v *Validator) Served(apiVersion, kind string) (namespaced, served bool) {
	i, ok := v.model.kinds[splitAPIVersion(apiVersion, kind)]
	if !ok {
		return false, false
	}
	k := v.model.reader.Kinds[i]
	return k.Namespaced, k.In.Has(v.model.number)
}

// kindOf finds the built-in kind of an object, and says what there is to say of
// it. It returns nil for what the version does not serve.
func (w *walk) kindOf(id gvk) *table.Kind {
	i, ok := w.model.kinds[id]
	if !ok {
		w.unknownKind(id)
		return nil
	}
	k := &w.model.reader.Kinds[i]
	if !k.In.Has(w.model.number) {
		w.unserved(id, k)
		return nil
	}
	if !k.Kept {
		w.report(UnknownKind, fmt.Sprintf("a %s cannot be kept", id.kind),
			"it is a question to the API server, which stores nothing", "remove this object")
		return nil
	}
	if stage := stage(id.version); stage != "" {
		w.report(OptionalAPI, fmt.Sprintf("%s is %s API, which is off by default", id.apiVersion(), stage),
			"the API server serves it only when started with --runtime-config", use(k.Replacement))
	}
	if k.Deprecated > 0 && k.Deprecated <= w.model.minor {
		message := fmt.Sprintf("%s %s is deprecated since Kubernetes 1.%d", id.apiVersion(), id.kind, k.Deprecated)
		why := ""
		if k.Removed > 0 {
			why = fmt.Sprintf("it is no longer served from 1.%d on", k.Removed)
		}
		w.report(DeprecatedAPI, message, why, use(k.Replacement))
	}
	return k
}

func use(replacement string) string {
	if replacement == "" {
		return ""
	}
	return "use " + replacement
}

func stage(version string) string {
	switch {
	case strings.Contains(version, "alpha"):
		return "an alpha"
	case strings.Contains(version, "beta"):
		return "a beta"
	}
	return ""
}

// unserved tells of a kind that other versions serve.
func (w *walk) unserved(id gvk, k *table.Kind) {
	name := id.apiVersion() + " " + id.kind
	if k.Removed > 0 && k.Removed <= w.model.minor {
		w.report(RemovedAPI, fmt.Sprintf("%s was removed in Kubernetes 1.%d", name, k.Removed),
			"the target version is "+w.model.version(), use(w.replacement(k)))
		return
	}
	for i := w.model.number + 1; i < len(w.model.reader.Versions); i++ {
		if k.In.Has(i) {
			w.report(NewerAPI, fmt.Sprintf("%s is served from Kubernetes %s on", name, minor(w.model.reader.Versions[i])),
				"the target version is "+w.model.version(), use(w.otherVersion(id)))
			return
		}
	}
	w.report(RemovedAPI, fmt.Sprintf("%s is not served by Kubernetes %s any more", name, w.model.version()),
		"", use(w.replacement(k)))
}

// replacement is what to use instead of k, if the target version has it.
func (w *walk) replacement(k *table.Kind) string {
	apiVersion, kind, _ := strings.Cut(k.Replacement, " ")
	if w.serves(splitAPIVersion(apiVersion, kind)) {
		return k.Replacement
	}
	return w.otherVersion(gvk{k.Group, k.Version, k.Kind})
}

func (w *walk) serves(id gvk) bool {
	i, ok := w.model.kinds[id]
	return ok && w.model.reader.Kinds[i].In.Has(w.model.number)
}

// otherVersion names the kind in the best version of its group that is served, or
// else in another group.
func (w *walk) otherVersion(id gvk) string {
	found, best := "", ""
	for _, k := range w.model.reader.Kinds {
		if k.Kind != id.kind || !k.In.Has(w.model.number) {
			continue
		}
		name := gvk{k.Group, k.Version, k.Kind}.apiVersion() + " " + k.Kind
		switch {
		case k.Group != id.group:
			found = cmp.Or(found, name)
		case best == "" || version.CompareKubeAwareVersionStrings(k.Version, best) > 0:
			best = k.Version
		}
	}
	if best != "" {
		return gvk{id.group, best, id.kind}.apiVersion() + " " + id.kind
	}
	return found
}

// unknownKind tells of a kind that no version has, or of which nothing is known.
func (w *walk) unknownKind(id gvk) {
	groups, versions, kinds := w.neighbours(id)
	switch {
	case slices.Contains(versions, id.version):
		hint := ""
		if other := w.otherVersion(id); other != "" {
			hint = use(other)
		} else if n := nearest.Name(id.kind, kinds); n != "" {
			hint = "write " + n
		} else if id.kind == "List" || strings.HasSuffix(id.kind, "List") {
			hint = "give its items as objects of their own"
		}
		w.report(UnknownKind, fmt.Sprintf("%s has no kind %s", id.apiVersion(), id.kind), "", hint)
	case slices.Contains(groups, id.group):
		hint := use(w.otherVersion(id))
		if hint == "" {
			hint = "the versions of this group are " + strings.Join(versions, ", ")
		}
		w.report(UnknownKind, fmt.Sprintf("there is no API version %s", id.apiVersion()), "", hint)
	case !strings.Contains(id.group, "."):
		// The group of a custom resource is a domain name.
		w.report(UnknownKind, fmt.Sprintf("there is no API group %s", id.group), "", w.otherGroup(id, groups))
	default:
		hint := "give its CustomResourceDefinition to have it checked"
		if custom := w.nearestCustom(id); custom != "" {
			hint = custom
		} else if n := nearest.Name(id.group, groups); n != "" && w.serves(gvk{n, id.version, id.kind}) {
			hint = fmt.Sprintf("if %s/%s is meant, write that; or else %s", n, id.version, hint)
		}
		w.report(UncheckedKind, fmt.Sprintf("nothing is known of %s %s", id.apiVersion(), id.kind),
			"it is none of Kubernetes' own kinds, and no definition of it was given", hint)
	}
}

func (w *walk) otherGroup(id gvk, groups []string) string {
	if other := w.otherVersion(id); other != "" {
		return use(other)
	}
	if n := nearest.Name(id.group, groups); n != "" {
		return "write " + n
	}
	return ""
}

// neighbours gives the groups that the version serves, the versions of id's group,
// and the kinds of its API version.
func (w *walk) neighbours(id gvk) (groups, versions, kinds []string) {
	for _, k := range w.model.reader.Kinds {
		if !k.In.Has(w.model.number) {
			continue
		}
		groups = append(groups, k.Group)
		if k.Group != id.group {
			continue
		}
		versions = append(versions, k.Version)
		if k.Version == id.version {
			kinds = append(kinds, k.Kind)
		}
	}
	slices.Sort(groups)
	slices.Sort(versions)
	return slices.Compact(groups), slices.Compact(versions), kinds
}
