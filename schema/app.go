// Package schema turns a directory of CUE into an App: plain Go values with the
// positions they came from, or all the errors at once. It never touches a
// cluster, nor the network but for the CUE modules that a project depends on, and it is the only package that knows CUE.
package schema

import (
	"fmt"
	"path"
	"time"
)

// Pos is a place in the user's CUE, with 1-based line and column. File is
// relative to the project directory, with slashes, or to the root of a module that
// the project depends on.
type Pos struct {
	Module string `json:"module,omitempty"` // as in "example.com/platform@v0.1.0"; of the project's own it is empty
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// IsValid reports whether p names a place.
func (p Pos) IsValid() bool { return p.File != "" && p.Line > 0 }

// String gives file:line:column, with the module before it, or "" when the place
// is unknown.
func (p Pos) String() string {
	if !p.IsValid() {
		return ""
	}
	return fmt.Sprintf("%s:%d:%d", path.Join(p.Module, p.File), p.Line, p.Column)
}

// App is one application as its CUE describes it in one environment, validated.
// Services are sorted by name; those that are not enabled are left out.
type App struct {
	Dir         string // the project's directory, absolute
	Source      string // the module path from cue.mod/module.cue: which project a service came from
	Name        string
	Environment string            // the one that was chosen; "" when none was
	Namespace   string            // default: Name
	Context     string            // the kubeconfig context of the environment; may be empty
	Cluster     string            // the UID of the kube-system namespace of the cluster that it must be deployed to; "" is any
	Protected   bool              // Cluster is set, and a deploy there wants to be confirmed
	TTL         time.Duration     // how long it stays after its last deploy; 0 is for good
	Kubernetes  string            // the version of the cluster, MAJOR.MINOR as in "1.34"; "" is the newest that shipit knows
	Registry    string            // where builds are pushed, host[:port][/path]; may be empty
	Labels      map[string]string // on every object and pod, beside shipit's own
	Annotations map[string]string // on the workload and the pods of every service; the service's own win
	// Of the namespace itself, beside those that others gave it.
	NamespaceLabels, NamespaceAnnotations map[string]string

	Quota      map[string]string // hard limits of the namespace by ResourceQuota name ("requests.cpu", "pods"); nil has none
	Limits     *Limits           // a LimitRange of the namespace; nil has none
	Monitoring string            // what watches the services: Annotations (default) or Operator
	Network    Network
	Gateways   []Gateway
	Objects    []Object // raw Kubernetes objects, by Path; they belong to no service
	CRDs       []Object // CustomResourceDefinitions that the cluster has: known, but not applied
	Services   []*Service
	Warnings   []*Error  // what is not wrong, but should be known
	Ignored    []Ignored // what `// shipit:ignore RULE reason` silences

	positions map[string]Pos
	policies  *policies
	ignores   *ignores
}

// Limits are the LimitRange of the namespace, for its containers: quantities by
// resource name. Nil maps are not set.
type Limits struct {
	Default        map[string]string // the limit of a container that has none
	DefaultRequest map[string]string // what a container asks for that does not say
	Min            map[string]string // the least that a container may ask for
	Max            map[string]string // the most that a container may be limited to
}

// Object is a raw Kubernetes object, or a CustomResourceDefinition, that the
// project has in CUE or in a YAML file.
type Object struct {
	Path   string         // in the App: "objects.NAME"; of one of several in a file or folder "objects.NAME.2", counted from 0
	Pos    Pos            // where it begins, in CUE or in the YAML file
	Object map[string]any // as JSON: values are map[string]any, []any, string, int64, float64, bool or nil
}

// Ignored is an error or a warning that the project silences.
type Ignored struct {
	*Error
	Reason string `json:"reason"` // as written after the rule
}

// Position returns where the value at path was written, for a path such as
// "services.web.probes.readiness". A path that was not written (a default, or
// an absent field) gives its nearest written ancestor.
func (a *App) Position(path string) Pos {
	return nearest(a.positions, path)
}

// Service returns the service called name, or nil.
func (a *App) Service(name string) *Service {
	for _, s := range a.Services {
		if s.Name == name {
			return s
		}
	}
	return nil
}
