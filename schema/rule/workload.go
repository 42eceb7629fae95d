package rule

// The rules about what runs.
const (
	NoImage          = "no-image"
	ImageAndBuild    = "image-and-build"
	BuildFolder      = "build-folder"
	NotOfWorkload    = "not-of-workload"
	ProbePort        = "probe-port"
	ProbeThreshold   = "probe-threshold"
	RolloutStuck     = "rollout-stuck"
	DeadlineTooShort = "deadline-too-short"
	SleepTooLong     = "sleep-too-long"
	RootUser         = "root-user"
	NeedsCircle      = "needs-circle"
	SameObject       = "same-object"
	CronLine         = "cron-line"
	Availability     = "availability"
	DrainStuck       = "drain-stuck"
	ScaleRange       = "scale-range"
	ScaleFight       = "scale-fight"
	ScaleUnasked     = "scale-unasked"

	PlacementFight  = "placement-fight"
	WidePermission  = "wide-permission"
	PermissionNames = "permission-names"
	ProgramName     = "program-name"

	PrivilegedEscalation = "privileged-escalation"

	FeatureGate     = "feature-gate"
	DeprecatedValue = "deprecated-value"
)

var workloadRules = []Rule{
	{
		Name: NoImage, Kind: MissingField, Summary: "A container has neither an image nor a build",
		Explanation: "A container runs an image, which is either named or built from source.",
		Example:     "build: go: \"./web\"",
		Fields:      []string{"services.image", "services.build"},
	},
	{
		Name: ImageAndBuild, Summary: "A container has both an image and a build",
		Explanation: "A build makes the image: only one of the two can say what runs.",
		Fields:      []string{"services.image", "services.build"},
	},
	{
		Name: BuildFolder, Kind: WrongValue, Silenceable: true, Summary: "The folder of a build is not there, or has nothing to build in it",
		Explanation: "build: go names the folder of a Go main package, relative to the project's own folder. One that is made before each build, and is in no repository, is silenced here.",
		Example:     "build: go: \"./web\"",
		Fields:      []string{"services.build.go"},
	},
	{
		Name: NotOfWorkload, Summary: "A service has a field that its kind of workload does not have",
		Explanation: "A Job has no replicas, a StatefulSet no maxSurge: Kubernetes would refuse it or do nothing.",
		Fields:      []string{"services.workload"},
	},
	{
		Name: ProbePort, Summary: "A probe asks a port that its container does not have",
		Explanation: "Probes name one of the container's own ports, of protocol TCP. Without a name it is the only port, or the one called http.",
		Example:     "ports: http: 8080\nprobes: readiness: http: {path: \"/readyz\", port: \"http\"}",
		Fields:      []string{"services.probes"},
	},
	{
		Name: ProbeThreshold, Summary: "A startup or liveness probe counts successes",
		Explanation: "Kubernetes takes successThreshold for readiness only; for the others it must be 1.",
		Fields:      []string{"services.probes.startup.successThreshold"},
	},
	{
		Name: RolloutStuck, Silenceable: true, Summary: "A rollout could never replace a pod",
		Explanation: "When neither one pod more nor one pod less is allowed, nothing can be updated.",
		Example:     "rollout: {maxSurge: 1, maxUnavailable: 0}",
		Fields:      []string{"services.rollout.maxSurge", "services.rollout.maxUnavailable"},
	},
	{
		Name: DeadlineTooShort, Silenceable: true, Summary: "A rollout's deadline is over before a pod counts as ready",
		Explanation: "A pod counts only after minReadySeconds, so every deploy would fail.",
		Fields:      []string{"services.rollout.deadlineSeconds", "services.rollout.minReadySeconds"},
	},
	{
		Name: SleepTooLong, Silenceable: true, Summary: "The sleep before a container stops is longer than it has to stop",
		Explanation: "The grace period includes preStop: the container would be killed in its sleep.",
		Example:     "lifecycle: {preStop: sleepSeconds: 10, terminationGracePeriodSeconds: 40}",
		Fields:      []string{"services.lifecycle"},
	},
	{
		Name: Availability, Summary: "A service cannot be as available as it says",
		Explanation: "active-active means two pods or more that all serve; active-passive means that one pod serves and never two at once, so it has one replica and is recreated.",
		Example:     "availability: \"active-active\"\nreplicas: 2",
		Fields:      []string{"services.availability"},
	},
	{
		Name: DrainStuck, Silenceable: true, Summary: "A disruption budget can never be met",
		Explanation: "When not a single pod may be away, no node that has one can be drained, and cluster upgrades stop there. What counts is the least number of pods that there may be. Percentages are rounded up.",
		Example:     "replicas: 3\ndisruption: maxUnavailable: 1",
		Fields:      []string{"services.disruption"},
	},
	{
		Name: ScaleRange, Summary: "An autoscaler's least is more than its most",
		Explanation: "min must not be more than max.",
		Fields:      []string{"services.autoscale.min", "services.autoscale.max"},
	},
	{
		Name: ScaleFight, Silenceable: true, Summary: "Two autoscalers change each other's ground",
		Explanation: "Scaling by cpu or memory counts pods by what they ask for, which vertical changes: the two would chase each other.",
		Example:     "autoscale: {max: 5, cpu: 80, vertical: mode: \"Off\"}",
		Fields:      []string{"services.autoscale.vertical"},
	},
	{
		Name: ScaleUnasked, Severity: Warning, Silenceable: true, Summary: "An autoscaler aims at percent of what nobody asks for",
		Explanation: "A number in cpu or memory is percent of what the containers ask for, each of them. When one asks for nothing, and no LimitRange gives it a default, the autoscaler cannot tell how busy the pods are.",
		Example:     "resources: cpu: \"250m\"\nautoscale: {max: 10, cpu: 80}",
		Fields:      []string{"services.autoscale.cpu", "services.autoscale.memory", "services.resources", "services.sidecars.resources"},
	},
	{
		Name: CronLine, Kind: WrongValue, Summary: "A CronJob's schedule or time zone cannot be understood, or never comes",
		Explanation: "A schedule has five fields: minute, hour, day of the month, month, day of the week (0 is Sunday), or is a word such as @daily. The time zone has a field of its own.",
		Example:     "workload: \"CronJob\"\nschedule: \"30 4 * * mon-fri\"\ntimeZone: \"Europe/Berlin\"",
		Fields:      []string{"services.schedule", "services.timeZone"},
	},
	{
		Name: PrivilegedEscalation, Summary: "A privileged container is not to gain privileges",
		Explanation: "Kubernetes refuses privileged: true with allowPrivilegeEscalation: false, as the first includes the second.",
		Fields:      []string{"services.security.privileged", "services.security.allowPrivilegeEscalation"},
	},
	{
		Name: PlacementFight, Summary: "A placement contradicts itself",
		Explanation: "Pods cannot be near to and apart from the same service in the same way, and the first pod of a service has none of its own to be near to.",
		Example:     "placement: apart: web: {}",
		Fields:      []string{"services.placement"},
	},
	{
		Name: WidePermission, Severity: Warning, Silenceable: true, Summary: "A permission is for everything",
		Explanation: "With a star the service may do what nobody thought of, and so may whoever takes it over.",
		Example:     "permissions: configs: {resources: [\"configmaps\"], verbs: [\"get\", \"watch\"]}",
		Fields:      []string{"services.permissions"},
	},
	{
		Name: PermissionNames, Silenceable: true, Summary: "A permission to create is narrowed by names",
		Explanation: "Kubernetes compares the names of objects that are there. One that is created has none yet, so with names create is never allowed.",
		Fields:      []string{"services.permissions.names"},
	},
	{
		Name: ProgramName, Silenceable: true, Summary: "A program is named together with its arguments",
		Explanation: "The first item of a command is the program itself: no shell splits it at its spaces, so a program of that whole name is looked for.",
		Example:     "command: [\"npm\", \"start\"]",
		Fields:      []string{"services.command", "services.probes.readiness.exec"},
	},
	{
		Name: RootUser, Summary: "A container is to run as root, but may not",
		Explanation: "runAsNonRoot is true unless said otherwise, and Kubernetes then refuses to start a container of the user 0.",
		Example:     "security: runAsUser: 1000",
		Fields:      []string{"services.security.runAsUser", "services.security.runAsNonRoot"},
	},
	{
		Name: NeedsCircle, Summary: "Services need each other in a circle",
		Explanation: "needs is an order: each waits until the next is healthy. In a circle none could be the first. calls may go in circles.",
		Fields:      []string{"services.needs"},
	},
	{
		Name: SameObject, Summary: "Two would make the same Kubernetes object",
		Explanation: "Objects are named after services and what is in them, such as web-app for the config app of web.",
		Fields:      []string{"objects", "services.config", "services.secrets"},
	},
	{
		Name: FeatureGate, Severity: Warning, Silenceable: true, Summary: "A field works only in clusters with a feature gate",
		Explanation: "Kubernetes has it behind a feature gate that is off by default in the App's version (kubernetes). An API server without the gate drops the field, or refuses the object. Silence it when the cluster has the gate.",
		Example:     "rollout: maxUnavailable: 2 // shipit:ignore feature-gate MaxUnavailableStatefulSet is on",
		Fields:      []string{"services.rollout.maxUnavailable", "services.service.trafficDistribution"},
	},
	{
		Name: DeprecatedValue, Severity: Warning, Silenceable: true, Summary: "A value has a newer name in the App's version of Kubernetes",
		Explanation: "Kubernetes still takes the old one, and will cease to.",
		Example:     "ports: http: 8080\nservice: trafficDistribution: \"PreferSameZone\"",
		Fields:      []string{"services.service.trafficDistribution"},
	},
}
