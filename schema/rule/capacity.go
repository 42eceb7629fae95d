package rule

// The rules about how much there is.
const (
	QuantityUnit     = "quantity-unit"
	CoresMeant       = "cores-meant"
	RequestOverLimit = "request-over-limit"
	SameLimit        = "same-limit"
	QuotaNeverFits   = "quota-never-fits"
	QuotaSurge       = "quota-surge"
	LimitRange       = "limit-range"
	QuotaUnaccounted = "quota-unaccounted"
)

var capacityRules = []Rule{
	{
		Name: QuantityUnit, Kind: WrongValue, Summary: "A quantity is of a size that cannot be meant",
		Explanation: "cpu is counted in cores, so 250 is 250 cores and \"250m\" a quarter of one; memory and storage are counted in bytes, so \"64m\" is less than one.",
		Example:     "resources: {cpu: \"250m\", memory: \"64Mi\"}",
		Fields:      []string{"services.resources", "quota"},
	},
	{
		Name: CoresMeant, Kind: WrongValue, Severity: Warning, Silenceable: true, Summary: "A container asks for a hundred cores or more",
		Explanation: "cpu is counted in cores. Where a number such as 500 was meant as thousandths of a core, as in \"500m\", the pod would wait for a node that is not there.",
		Example:     "resources: {cpu: \"500m\", memory: \"64Mi\"}",
		Fields:      []string{"services.resources", "services.resources.limits"},
	},
	{
		Name: RequestOverLimit, Summary: "A container asks for more than its limit",
		Explanation: "Kubernetes refuses such a pod. Of huge pages and extended resources both must be equal.",
		Fields:      []string{"services.resources.limits"},
	},
	{
		Name: SameLimit, Summary: "A quota says the same limit twice",
		Explanation: "cpu is short for requests.cpu, and memory for requests.memory.",
		Fields:      []string{"quota"},
	},
	{
		Name: QuotaNeverFits, Silenceable: true, Summary: "The services ask for more than the quota of the namespace holds",
		Explanation: "Kubernetes would never start the last of the pods. What is counted is what all services take at once, at the highest count that an autoscaler may choose.",
		Example:     "quota: {cpu: \"8\", memory: \"16Gi\", pods: 40}",
		Fields:      []string{"quota", "services.resources", "services.replicas", "services.autoscale.max"},
	},
	{
		Name: LimitRange, Summary: "A container does not fit into the limits of the namespace, or these contradict themselves",
		Explanation: "A LimitRange refuses containers outside of min and max, and gives those that say nothing a limit: one that is less than what they ask for makes the pod invalid.",
		Example:     "limits: {default: memory: \"256Mi\", max: memory: \"2Gi\"}",
		Fields:      []string{"limits", "services.resources"},
	},
	{
		Name: QuotaSurge, Severity: Warning, Silenceable: true, Summary: "A rolling update would have to wait for the quota",
		Explanation: "New pods start before old ones end, and both count. With maxUnavailable instead of maxSurge an old one ends first.",
		Example:     "rollout: {maxSurge: 0, maxUnavailable: 1}",
		Fields:      []string{"quota", "services.rollout.maxSurge"},
	},
	{
		Name: QuotaUnaccounted, Severity: Warning, Silenceable: true, Summary: "A container does not say what it takes of a limited resource",
		Explanation: "Where a quota limits cpu or memory, Kubernetes refuses pods that do not say how much they take, unless a LimitRange says it for them.",
		Example:     "resources: {cpu: \"100m\", memory: \"64Mi\"}",
		Fields:      []string{"quota", "services.resources"},
	},
}
