package schema

// The rules about configs, secrets and volumes.
const (
	unknownConfig  = "unknown-config"
	configTooLarge = "config-too-large"
	podField       = "pod-field"
	sameMount      = "same-mount"
	notOfVolume    = "not-of-volume"
	claimShared    = "claim-shared"
	hostPath       = "host-path"
	notEncrypted   = "not-encrypted"

	secretInObjects = "secret-in-objects"
)

var dataRules = []Rule{
	{
		Name: unknownConfig, Summary: "A config or secret is named, or a key of one, that the service does not have",
		Explanation: "A container reads the configs and secrets of its own service, as NAME/KEY.",
		Example:     "config: app: level: \"info\"\nenv: LEVEL: config: \"app/level\"",
	},
	{
		Name: configTooLarge, code: WrongValue, Summary: "A config is larger than Kubernetes keeps",
		Explanation: "A ConfigMap holds at most 1 MiB with its keys. Larger files belong into the image or a volume.",
	},
	{
		Name: podField, code: WrongValue, Summary: "A variable asks for a field that a pod does not tell of itself",
		Explanation: "The downward API gives a few fields to variables; the message lists them.",
		Example:     "env: POD_IP: field: \"status.podIP\"",
	},
	{
		Name: sameMount, Summary: "Two volumes are mounted on the same path",
		Explanation: "One would hide the other.",
	},
	{
		Name: notOfVolume, Summary: "A volume has a field that its kind does not have",
		Explanation: "class and accessModes are of claims, mode of configs and secrets.",
	},
	{
		Name: hostPath, Summary: "A volume is a folder of the node",
		Explanation: "Whoever can write to a node's files can take it over, and the data stays on that node. An agent that needs it says so.",
		Example:     "security: hostPath: true",
	},
	{
		Name: secretInObjects, Silenceable: true, Summary: "A raw Secret has its values in the project",
		Explanation: "Whoever reads the project, or its history, reads them. A service's secrets come from where they are kept.",
		Example:     "secrets: db: password: sops: {file: \"secrets/prod.yaml\", key: \"password\"}",
	},
	{
		Name: notEncrypted, code: WrongValue, Summary: "A file is not encrypted by SOPS, or lacks a value",
		Explanation: "The names of values can be read without a key, and the file says by its sops metadata that it is encrypted.",
		Example:     "sops encrypt --in-place secrets/prod.yaml",
	},
	{
		Name: claimShared, Silenceable: true, Summary: "Several pods of a Deployment share a claim that one node may use",
		Explanation: "The pods of a Deployment have one claim together. On another node they would wait for it forever. A StatefulSet has a claim for each pod.",
		Example:     "workload: \"StatefulSet\"",
	},
}
