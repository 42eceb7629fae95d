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

// App is one application as its CUE describes it in one environment, validated.
// Services are sorted by name; those that are not enabled are left out.
type App struct {
	Dir         string // the project's directory, absolute
	Source      string // the module path from cue.mod/module.cue: which project a service came from
	Name        string
	Environment string            // the one that was chosen; "" when none was
	Namespace   string            // default: Name
	Context     string            // the kubeconfig context of the environment; may be empty
	Registry    string            // where builds are pushed, host[:port][/path]; may be empty
	Labels      map[string]string // on every object and pod, beside shipit's own
	Quota       map[string]string // hard limits of the namespace by ResourceQuota name ("requests.cpu", "pods"); nil has none
	Services    []*Service
	Warnings    []*Error // what is not wrong, but should be known

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

// The workloads a service can be.
const (
	Deployment  = "Deployment"
	StatefulSet = "StatefulSet"
	Job         = "Job"
)

// Service is one microservice. Exactly one of Image and Build is set. Whatever
// has a name is sorted by it.
type Service struct {
	Name      string
	Workload  string // Deployment (default), StatefulSet or Job
	Image     string // a reference: name[:tag][@digest]
	Build     *Build
	Command   []string // overrides the image's entrypoint
	Args      []string
	Replicas  int32 // default 1; a Job has none (0)
	Ports     []Port
	Probes    Probes
	Env       []EnvVar
	Config    []Config
	Secrets   []Secret
	Volumes   []Volume
	Calls     []Call
	Needs     []string // services that must be healthy before this one is applied
	Expose    []Expose
	Rollout   Rollout
	Lifecycle Lifecycle
	Pull      []string // Secrets with credentials of registries
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

// EnvVar is a variable of the container's environment: a Value, or exactly one
// of the others.
type EnvVar struct {
	Name, Value string
	Config      *KeyRef // of this service's Config
	Secret      *KeyRef // of this service's Secrets
	Field       string  // a field of the pod, as in the downward API: "status.podIP"
}

// KeyRef names a key of one of the service's own configs or secrets.
type KeyRef struct{ Name, Key string }

// Config is a set of files or values that are no secret.
type Config struct {
	Name string
	Data map[string]string // by key; what was written as a file is its content
}

// Secret is a set of values that are never in the CUE.
type Secret struct {
	Name string
	Keys []SecretKey
}

// SecretKey says where one value comes from: exactly one of Env, File and
// Existing is set.
type SecretKey struct {
	Key      string
	Env      string  // a variable of the environment that shipit runs in
	File     string  // a file of the project, relative to its directory
	Existing *KeyRef // a Secret in the namespace that shipit does not own
}

// Volume is mounted into the container. Exactly one of Claim, EmptyDir, Config
// and Secret is set.
type Volume struct {
	Name     string
	Mount    string // an absolute path
	ReadOnly bool
	Claim    *Claim
	EmptyDir *EmptyDir
	Config   string // the name of one of the service's Config
	Secret   string // the name of one of the service's Secrets
}

// Claim is storage that outlives pods and releases: one for each replica of a
// StatefulSet, one in all for a Deployment.
type Claim struct {
	Size        string   // a quantity
	Class       string   // StorageClass; empty is the cluster's default
	AccessModes []string // default: ReadWriteOnce
}

// EmptyDir is storage that lives as long as its pod.
type EmptyDir struct {
	SizeLimit string // a quantity; empty has none
	Memory    bool   // on a tmpfs
}

// Call is something that a service talks to. A service of this app has Service
// set; the outside has Host or CIDR.
type Call struct {
	Name    string // the key it was written under; its variables are NAME_URL, NAME_HOST and NAME_PORT
	Service string
	Host    string // a DNS name outside
	CIDR    string // an address range outside
	Port    int32  // the number to connect to: the Service's, of a service
	Target  string // of a service: the name of its port
	Scheme  string // of the URL: http, https or tcp
}

// Expose makes a service reachable from outside the cluster: an Ingress.
type Expose struct {
	Name  string
	Host  string
	Path  string // a prefix; default /
	Port  string // a name in Ports; default: the only one, or "http"
	Class string // IngressClass; empty is the cluster's default
	TLS   string // a Secret of type kubernetes.io/tls; empty has no TLS
}

// Rollout says how pods are replaced. Zero values are shipit's defaults.
type Rollout struct {
	Strategy            string // of a Deployment: RollingUpdate or Recreate. Default: RollingUpdate, and Recreate when it has a claim that only one node may write
	MaxSurge            string // of a Deployment: a count or a percentage. Default 25%
	MaxUnavailable      string // a count or a percentage. Default 0
	MinReadySeconds     int32  // default: 0 with a readiness probe, 3 without
	DeadlineSeconds     int32  // how long it may take to become healthy; 0 is computed from the probes
	PodManagementPolicy string // of a StatefulSet: OrderedReady (default) or Parallel
	BackoffLimit        *int32 // of a Job: how often it is tried again. Default 6
}

// Lifecycle says how a container stops. Zero values are shipit's defaults.
type Lifecycle struct {
	PreStop                       *PreStop // default: a sleep of 3 seconds when the service has ports
	TerminationGracePeriodSeconds *int64   // default 30
}

// PreStop is run before a container is told to stop: exactly one is set.
type PreStop struct {
	Exec         []string
	HTTP         *HTTPProbe
	SleepSeconds *int64
}

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
