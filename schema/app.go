// Package schema turns a directory of CUE into an App: plain Go values with the
// positions they came from, or all the errors at once. It never touches the
// network or a cluster, and it is the only package that knows CUE.
package schema

import (
	"fmt"
)

// Pos is a place in the user's CUE, with 1-based line and column. File is
// relative to the project directory, with slashes.
type Pos struct {
	File   string `json:"file,omitempty"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

// IsValid reports whether p names a place.
func (p Pos) IsValid() bool { return p.File != "" && p.Line > 0 }

// String gives file:line:column, or "" when the place is unknown.
func (p Pos) String() string {
	if !p.IsValid() {
		return ""
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// App is one application as its CUE describes it, validated. Services are
// sorted by name.
type App struct {
	Dir       string // the project's directory, absolute
	Source    string // the module path from cue.mod/module.cue: which project a service came from
	Name      string
	Namespace string // default: Name
	Registry  string // where builds are pushed, host[:port][/path]; may be empty
	Services  []*Service
	Warnings  []*Error // what is not wrong, but should be known

	positions map[string]Pos
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

// Service is one microservice. Exactly one of Image and Build is set.
type Service struct {
	Name      string
	Image     string // a reference: name[:tag][@digest]
	Build     *Build
	Command   []string // overrides the image's entrypoint
	Args      []string
	Replicas  int32 // default 1
	Ports     []Port
	Probes    Probes
	Env       []EnvVar // sorted by name
	Resources Resources
	Security  Security
}

// Build says how to make a service's image.
type Build struct {
	Go string // a Go main package, relative to the project directory: "./web"
}

// Port is a named port of a service; both numbers are 1 to 65535.
type Port struct {
	Name     string
	Port     int32  // where the container listens
	Service  int32  // where the Service listens; default Port
	Protocol string // TCP (default), UDP or SCTP
}

// EnvVar is a variable of the container's environment.
type EnvVar struct{ Name, Value string }

// Probes are a container's health checks; nil ones are absent.
type Probes struct{ Startup, Readiness, Liveness *Probe }

// Probe is one health check: exactly one of HTTP, TCP and Exec is set.
type Probe struct {
	HTTP *HTTPProbe
	TCP  *TCPProbe
	Exec []string

	// Seconds and counts, as in a container's probe; 0 is Kubernetes' default
	// (0 delay, period 10, timeout 1, success 1, failure 3).
	InitialDelaySeconds int32
	PeriodSeconds       int32
	TimeoutSeconds      int32
	SuccessThreshold    int32
	FailureThreshold    int32
}

// HTTPProbe asks for Path on a port given by name.
type HTTPProbe struct {
	Path   string
	Port   string // a name in Ports; default: the only port, or "http"
	Scheme string // HTTP (default) or HTTPS
}

// TCPProbe connects to a port given by name.
type TCPProbe struct{ Port string }

// Resources are quantities by resource name ("cpu", "memory", "nvidia.com/gpu").
// The schema writes requests at the top level; a memory limit equals the
// request unless given, and there is no CPU limit unless given.
type Resources struct{ Requests, Limits map[string]string }

// Security relaxes the hardened defaults: non-root, read-only root with an
// emptyDir on /tmp, every capability dropped, seccomp RuntimeDefault, no
// service-account token.
type Security struct {
	RunAsUser                *int64
	RunAsGroup               *int64
	FSGroup                  *int64
	AllowRoot                bool // runAsNonRoot: false
	WritableRoot             bool // readOnlyRootFilesystem: false
	AddCapabilities          []string
	AllowPrivilegeEscalation bool
}
