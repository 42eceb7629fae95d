package schema

// The rules about what runs.
const (
	noImage          = "no-image"
	imageAndBuild    = "image-and-build"
	notOfWorkload    = "not-of-workload"
	probePort        = "probe-port"
	probeThreshold   = "probe-threshold"
	rolloutStuck     = "rollout-stuck"
	deadlineTooShort = "deadline-too-short"
	sleepTooLong     = "sleep-too-long"
	rootUser         = "root-user"
	needsCircle      = "needs-circle"
	sameObject       = "same-object"
	cronLine         = "cron-line"

	privilegedEscalation = "privileged-escalation"
)

var workloadRules = []Rule{
	{
		Name: noImage, code: MissingField, Summary: "A container has neither an image nor a build",
		Explanation: "A container runs an image, which is either named or built from source.",
		Example:     "build: go: \"./web\"",
	},
	{
		Name: imageAndBuild, Summary: "A container has both an image and a build",
		Explanation: "A build makes the image: only one of the two can say what runs.",
	},
	{
		Name: notOfWorkload, Summary: "A service has a field that its kind of workload does not have",
		Explanation: "A Job has no replicas, a StatefulSet no maxSurge: Kubernetes would refuse it or do nothing.",
	},
	{
		Name: probePort, Summary: "A probe asks a port that its container does not have",
		Explanation: "Probes name one of the container's own ports, of protocol TCP. Without a name it is the only port, or the one called http.",
		Example:     "ports: http: 8080\nprobes: readiness: http: {path: \"/readyz\", port: \"http\"}",
	},
	{
		Name: probeThreshold, Summary: "A startup or liveness probe counts successes",
		Explanation: "Kubernetes takes successThreshold for readiness only; for the others it must be 1.",
	},
	{
		Name: rolloutStuck, Silenceable: true, Summary: "A rollout could never replace a pod",
		Explanation: "When neither one pod more nor one pod less is allowed, nothing can be updated.",
		Example:     "rollout: {maxSurge: 1, maxUnavailable: 0}",
	},
	{
		Name: deadlineTooShort, Silenceable: true, Summary: "A rollout's deadline is over before a pod counts as ready",
		Explanation: "A pod counts only after minReadySeconds, so every deploy would fail.",
	},
	{
		Name: sleepTooLong, Silenceable: true, Summary: "The sleep before a container stops is longer than it has to stop",
		Explanation: "The grace period includes preStop: the container would be killed in its sleep.",
		Example:     "lifecycle: {preStop: sleepSeconds: 10, terminationGracePeriodSeconds: 40}",
	},
	{
		Name: cronLine, code: WrongValue, Summary: "A CronJob's schedule or time zone cannot be understood, or never comes",
		Explanation: "A schedule has five fields: minute, hour, day of the month, month, day of the week (0 is Sunday), or is a word such as @daily. The time zone has a field of its own.",
		Example:     "schedule: \"30 4 * * mon-fri\"\ntimeZone: \"Europe/Berlin\"",
	},
	{
		Name: privilegedEscalation, Summary: "A privileged container is not to gain privileges",
		Explanation: "Kubernetes refuses privileged: true with allowPrivilegeEscalation: false, as the first includes the second.",
	},
	{
		Name: rootUser, Summary: "A container is to run as root, but may not",
		Explanation: "runAsNonRoot is true unless said otherwise, and Kubernetes then refuses to start a container of the user 0.",
		Example:     "security: runAsUser: 1000",
	},
	{
		Name: needsCircle, Summary: "Services need each other in a circle",
		Explanation: "needs is an order: each waits until the next is healthy. In a circle none could be the first. calls may go in circles.",
	},
	{
		Name: sameObject, Summary: "Two would make the same Kubernetes object",
		Explanation: "Objects are named after services and what is in them, such as web-app for the config app of web.",
	},
}
