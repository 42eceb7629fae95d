package schema

// The workloads a service can be.
const (
	Deployment  = "Deployment"
	StatefulSet = "StatefulSet"
	DaemonSet   = "DaemonSet"
	Job         = "Job"
	CronJob     = "CronJob"
)

// Service is one microservice. Exactly one of Image and Build is set. Whatever
// has a name is sorted by it, unless it says otherwise.
type Service struct {
	Name         string
	Workload     string // Deployment (default), StatefulSet, DaemonSet, Job or CronJob
	Image        string // a reference: name[:tag][@digest]
	Build        *Build
	Command      []string // overrides the image's entrypoint
	Args         []string
	Workdir      string      // where the program starts; "" is the image's
	Replicas     int32       // default 1; with Autoscale what a first release starts with (default its Min); a DaemonSet, a Job and a CronJob have none (0)
	Availability string      // ActiveActive, ActivePassive or ""; what follows from it is in the other fields already
	Autoscale    *Autoscale  // nil has none
	Disruption   *Disruption // a PodDisruptionBudget; nil has none
	Schedule     *Schedule   // of a CronJob, never nil there; nil elsewhere
	Ports        []Port      // of the service's own container; ServicePorts has the sidecars' too
	Service      ServiceSpec // how the Service is made of the ports
	Probes       Probes      // of the service's own container
	Env          []EnvVar
	EnvFrom      []EnvFrom // whole configs, by name, then whole secrets, by name
	Config       []Config
	Secrets      []Secret
	Volumes      []Volume    // of the pod, those that only other containers mount too
	Init         []Container // run one after the other before the others start, in this order: by Order, then by name
	Sidecars     []Container // native: init containers that restart Always, after those of Init
	Before       []Task      // Jobs that run to their end before the workload changes
	After        []Task      // Jobs that run when the workload is healthy
	Calls        []Call
	Callers      []Caller // who outside of this App may connect to it
	Needs        []string // services that must be healthy before this one is applied
	Expose       []Expose
	Rollout      Rollout
	Lifecycle    Lifecycle
	Placement    Placement
	Permissions  []Permission // of its ServiceAccount, whose token is mounted when there are any
	Monitor      *Monitor     // nil has no metrics
	Pull         []string     // Secrets with credentials of registries
	Resources    Resources
	Security     Security
	Labels       map[string]string // on its objects and pods, beside the App's; they win
	Annotations  map[string]string // on its workload and pods
	Patch        []Patch           // for App.Patch, by kind
}

// Container gives the service's own container, as one like its sidecars.
func (s *Service) Container() Container {
	c := Container{
		Name: s.Name, Image: s.Image, Build: s.Build, Command: s.Command, Args: s.Args, Workdir: s.Workdir,
		Env: s.Env, EnvFrom: s.EnvFrom, Ports: s.Ports, Probes: s.Probes, Resources: s.Resources, Security: s.Security,
	}
	for _, v := range s.Volumes {
		if v.Mount != "" {
			c.Mounts = append(c.Mounts, Mount{Volume: v.Name, Path: v.Mount, ReadOnly: v.ReadOnly, SubPath: v.SubPath})
		}
	}
	return c
}

// ServicePorts are the ports of the Service: the service's own, then those of its
// sidecars. Names and numbers differ.
func (s *Service) ServicePorts() []Port {
	ports := s.Ports[:len(s.Ports):len(s.Ports)]
	for _, c := range s.Sidecars {
		ports = append(ports, c.Ports...)
	}
	return ports
}

// Container is a container beside or before the service's own: a sidecar, an init
// container, or that of a Task. Exactly one of Image and Build is set.
type Container struct {
	Name      string
	Order     int // of init containers: smaller ones run first. Default 0
	Image     string
	Build     *Build
	Command   []string
	Args      []string
	Workdir   string
	Env       []EnvVar // of the service's configs and secrets; the addresses of its calls are those of all its containers
	EnvFrom   []EnvFrom
	Ports     []Port // of sidecars only
	Probes    Probes // of sidecars only
	Resources Resources
	Security  Security // of a Task the service's when it says nothing; RunAsUser and the like of its own container
	Mounts    []Mount
}

// Mount shows one of the service's volumes in a container.
type Mount struct {
	Volume   string // a name in Volumes
	Path     string // an absolute path
	ReadOnly bool
	SubPath  string // a path inside the volume; "" is all of it
}

// The times at which a Task runs again.
const (
	OnChange    = "change"
	EveryDeploy = "everyDeploy"
)

// Task is a Job that belongs to a deploy of its service. What it does not say is
// the service's: image or build, resources, security. Env is the service's with
// its own on top.
type Task struct {
	Container
	DeadlineSeconds int32  // how long it may take. Default 600
	BackoffLimit    int32  // how often it is tried again. Default 0
	RunOn           string // OnChange (default): when its rendered spec or image changed; or EveryDeploy
}

// Build says how to make a service's image.
type Build struct {
	Go string // a Go main package, relative to the project directory: "./web"
}

// Port is a named port of a container; the numbers are 1 to 65535.
type Port struct {
	Name        string
	Port        int32  // where the container listens
	Service     int32  // where the Service listens; default Port, which it always is of a headless one
	Node        int32  // where each node listens, of a Service of type NodePort or LoadBalancer; 0 lets the cluster choose
	Host        int32  // where the node of the pod listens; 0 does not
	Protocol    string // TCP (default), UDP or SCTP
	AppProtocol string // of the Service's port, such as "kubernetes.io/h2c"; "" says nothing
}

// The kinds of Services.
const (
	ClusterIP    = "ClusterIP"
	NodePort     = "NodePort"
	LoadBalancer = "LoadBalancer"
	Headless     = "Headless"
)

// ServiceSpec is what a Service has beside its ports, in Kubernetes' words. Zero
// values are Kubernetes' defaults.
type ServiceSpec struct {
	Type                     string // ClusterIP (default), NodePort, LoadBalancer or Headless (clusterIP: None)
	Annotations              map[string]string
	ExternalTrafficPolicy    string // Cluster or Local; of a NodePort and a LoadBalancer
	InternalTrafficPolicy    string // Cluster or Local
	TrafficDistribution      string // such as PreferClose
	SessionAffinity          string // None or ClientIP
	LoadBalancerClass        string // of a LoadBalancer
	LoadBalancerSourceRanges []string
	IPFamilyPolicy           string // SingleStack, PreferDualStack or RequireDualStack
	PublishNotReadyAddresses bool
}

// Schedule says when a CronJob runs.
type Schedule struct {
	Cron                       string // five fields or a macro such as @hourly, checked
	TimeZone                   string // an IANA name; "" is the cluster's
	ConcurrencyPolicy          string // Forbid (default), Allow or Replace
	Suspend                    bool
	StartingDeadlineSeconds    *int64 // nil has none
	SuccessfulJobsHistoryLimit *int32 // nil is Kubernetes' default, 3
	FailedJobsHistoryLimit     *int32 // nil is Kubernetes' default, 1
}

// Rollout says how pods are replaced, and Jobs run. Zero values are shipit's
// defaults.
type Rollout struct {
	Strategy                string // of a Deployment: RollingUpdate or Recreate (default: RollingUpdate, and Recreate when it has a claim that only one node may write); of a StatefulSet and a DaemonSet: RollingUpdate (default) or OnDelete
	MaxSurge                string // a count or a percentage. Default of a Deployment 25%, of a DaemonSet 0
	MaxUnavailable          string // a count or a percentage. Default of a Deployment 0, of a DaemonSet 1 (0 with MaxSurge)
	Partition               *int32 // of a StatefulSet: only pods with this ordinal or more are updated. Default 0
	MinReadySeconds         int32  // default: 0 with a readiness probe, 3 without
	DeadlineSeconds         int32  // how long it may take to become healthy, or a Job to end; 0 is computed from the probes
	RevisionHistoryLimit    *int32 // how many old ReplicaSets or ControllerRevisions are kept; nil is shipit's default
	PodManagementPolicy     string // of a StatefulSet: OrderedReady (default) or Parallel
	BackoffLimit            *int32 // of a Job and a CronJob: how often it is tried again. Default 6
	Parallelism             *int32 // of a Job and a CronJob: how many pods run at once. Default 1
	Completions             *int32 // of a Job and a CronJob: how many pods must succeed. Default 1
	Indexed                 bool   // of a Job and a CronJob: each completion has an index, in JOB_COMPLETION_INDEX
	TTLSecondsAfterFinished *int32 // of a Job and a CronJob: when it is removed. nil is shipit's default
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

// Probe is one health check: exactly one of HTTP, TCP, GRPC and Exec is set.
type Probe struct {
	HTTP *HTTPProbe
	TCP  *TCPProbe
	GRPC *GRPCProbe
	Exec []string

	// Seconds and counts, as in a container's probe; 0 is Kubernetes' default
	// (0 delay, period 10, timeout 1, success 1, failure 3), but for a readiness probe
	// with neither period nor failure: it renders as 2 and 15.
	InitialDelaySeconds int32
	PeriodSeconds       int32
	TimeoutSeconds      int32
	SuccessThreshold    int32
	FailureThreshold    int32
}

// HTTPProbe asks for Path on a port given by name.
type HTTPProbe struct {
	Path    string
	Port    string // a name in the container's Ports; default: the only port, or "http"
	Scheme  string // HTTP (default) or HTTPS
	Headers map[string]string
}

// TCPProbe connects to a port given by name.
type TCPProbe struct{ Port string }

// GRPCProbe asks the gRPC health service (grpc.health.v1) on a port given by name.
type GRPCProbe struct {
	Port    string // a name in the container's Ports; default: the only port, or "grpc"
	Service string // "" asks for the server as a whole
}
