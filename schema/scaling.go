package schema

// How a service is made to survive the loss of a pod or a node.
const (
	// ActiveActive services have two replicas or more, all serving: Placement
	// spreads them over nodes and zones, and Disruption keeps all but one, unless
	// the service says otherwise.
	ActiveActive = "active-active"
	// ActivePassive services have one pod that serves, and never two at once: one
	// replica, a Deployment's strategy is Recreate, and Placement tolerates a lost
	// node for 30 seconds only.
	ActivePassive = "active-passive"
)

// Autoscale lets the cluster choose how many pods run, or how large they are.
type Autoscale struct {
	Min      int32        // of a HorizontalPodAutoscaler. Default 1
	Max      int32        // of a HorizontalPodAutoscaler; 0 makes none, and only Vertical is set
	CPU      *ScaleTarget // nil is not looked at
	Memory   *ScaleTarget
	Metrics  []Metric
	Behavior Behavior
	Vertical *Vertical // a VerticalPodAutoscaler; nil has none
}

// ScaleTarget is what an autoscaler aims at: exactly one is set.
type ScaleTarget struct {
	Utilization  int32  // percent of what the pods ask for, 1 or more
	AverageValue string // a quantity for each pod
}

// Metric is a metric that an autoscaler looks at.
type Metric struct {
	Name     string            // the key it was written under
	Metric   string            // the metric's name. Default: Name
	Selector map[string]string // labels of the metric; nil has none
	Kind     string            // Pods, Object or External
	Object   ObjectRef         // of Kind Object
	// Exactly one is set; of Kind Pods it is AverageValue.
	Value        string // a quantity in all
	AverageValue string // a quantity for each pod
}

// ObjectRef names an object in the namespace.
type ObjectRef struct{ APIVersion, Kind, Name string }

// Behavior says how fast an autoscaler goes; nil is Kubernetes' default.
type Behavior struct{ ScaleUp, ScaleDown *ScalingRules }

// ScalingRules are those of a HorizontalPodAutoscaler for one direction.
type ScalingRules struct {
	StabilizationWindowSeconds *int32
	SelectPolicy               string // Max (default), Min or Disabled
	Policies                   []ScalingPolicy
	Tolerance                  string // a quantity such as "0.05"; "" is the cluster's
}

// ScalingPolicy limits how much changes in a time.
type ScalingPolicy struct {
	Name          string // the key it was written under; Kubernetes does not know it
	Type          string // Pods or Percent
	Value         int32  // 1 or more
	PeriodSeconds int32  // 1 to 1800
}

// Vertical lets a VerticalPodAutoscaler choose what the service's container asks
// for.
type Vertical struct {
	Mode string            // Off, Initial, Recreate (default), InPlaceOrRecreate or Auto
	Min  map[string]string // quantities by resource name; nil has none
	Max  map[string]string
}

// Disruption is a PodDisruptionBudget: exactly one is set, a count or a
// percentage.
type Disruption struct{ MinAvailable, MaxUnavailable string }

// Placement says on which nodes pods run.
type Placement struct {
	Nodes       map[string]string // labels that the node must have
	Near        []Affinity        // services whose pods these should run beside
	Apart       []Affinity        // services whose pods these should not run beside; the service itself too
	Spread      []Spread          // by Topology
	Tolerations []Toleration
	Priority    string // a PriorityClass; "" is the cluster's default
}

// Affinity is towards, or away from, the pods of a service of this App.
type Affinity struct {
	Service  string
	Topology string // a node label: "kubernetes.io/hostname" (default), "topology.kubernetes.io/zone", …
	Required bool   // do not schedule otherwise. Default: only prefer it
}

// Spread distributes a service's pods.
type Spread struct {
	Topology string // a node label, as in Affinity
	MaxSkew  int32  // default 1
	Required bool   // DoNotSchedule. Default: ScheduleAnyway
}

// Toleration lets pods run on tainted nodes.
type Toleration struct {
	Name     string // the key it was written under; Kubernetes does not know it
	Key      string // "" is every taint
	Operator string // Exists (default without Value) or Equal
	Value    string
	Effect   string // NoSchedule, PreferNoSchedule, NoExecute; "" is all
	Seconds  *int64 // how long, of NoExecute; nil is forever
}

// Permission is what a service may do with the Kubernetes API in its namespace: a
// rule of its Role.
type Permission struct {
	Name      string   // the key it was written under
	APIGroups []string // default: the core group, ""
	Resources []string // such as "configmaps" or "pods/log"
	Verbs     []string
	Names     []string // of objects; nil is all
}

// The ways in which metrics are found.
const (
	Annotations = "annotations" // prometheus.io/scrape and the like on pods
	Operator    = "operator"    // a ServiceMonitor, or a PodMonitor without a Service
)

// Monitor says where a service has Prometheus metrics.
type Monitor struct {
	Port     string // a name in ServicePorts; default: "metrics", else the only port, else "http"
	Path     string // default /metrics
	Interval string // such as "30s"; "" is Prometheus' own. Only with Operator
}

// Patch is what is unified onto generated objects.
type Patch struct {
	Kind string
	Name string         // of the object; "" is every object of the kind
	Path string         // in the App: "services.web.patch.Deployment"
	Data map[string]any // as JSON
}

// Resources are quantities by resource name ("cpu", "memory", "nvidia.com/gpu").
// The schema writes requests at the top level; a memory limit equals the
// request unless given, and there is no CPU limit unless given.
type Resources struct{ Requests, Limits map[string]string }

// Security relaxes the hardened defaults: non-root, read-only root with an
// emptyDir on /tmp, every capability dropped, seccomp RuntimeDefault, no
// service-account token. Of other containers than the service's own only what is
// a container's counts: not FSGroup, FSGroupChangePolicy, SupplementalGroups and
// what begins with Host.
type Security struct {
	RunAsUser                *int64
	RunAsGroup               *int64
	FSGroup                  *int64
	FSGroupChangePolicy      string  // OnRootMismatch or Always; "" is Kubernetes' default
	SupplementalGroups       []int64 // nil has none
	AllowRoot                bool    // runAsNonRoot: false
	WritableRoot             bool    // readOnlyRootFilesystem: false
	AddCapabilities          []string
	AllowPrivilegeEscalation bool
	Privileged               bool
	Seccomp                  string // RuntimeDefault (""), Unconfined, or "localhost/PROFILE"
	HostPath                 bool   // volumes may be folders of the node
	HostNetwork              bool
	HostPID                  bool
	HostIPC                  bool
}
