package rule

// The rules about configs, secrets and volumes.
const (
	UnknownConfig  = "unknown-config"
	ConfigTooLarge = "config-too-large"
	PodField       = "pod-field"
	SameMount      = "same-mount"
	FileMount      = "file-mount"
	NotOfVolume    = "not-of-volume"
	ClaimShared    = "claim-shared"
	HostPath       = "host-path"
	NotEncrypted   = "not-encrypted"

	UnknownSOPSValue = "unknown-sops-value"
	SecretInClear    = "secret-in-clear"

	SecretInObjects = "secret-in-objects"
	SecretInText    = "secret-in-text"
	WordAsName      = "word-as-name"
	NothingFills    = "nothing-fills"
	ModeInDecimal   = "mode-in-decimal"
	UnknownVariable = "unknown-variable"
)

var dataRules = []Rule{
	{
		Name: UnknownConfig, Summary: "A config or secret is named, or a key of one, that the service does not have",
		Explanation: "A container reads the configs and secrets of its own service, as NAME/KEY.",
		Example:     "config: app: level: \"info\"\nenv: LEVEL: config: \"app/level\"",
		Fields:      []string{"services.env.config", "services.env.secret", "services.envFrom", "services.volumes.config", "services.volumes.secret"},
	},
	{
		Name: ConfigTooLarge, Kind: WrongValue, Summary: "A config is larger than Kubernetes keeps",
		Explanation: "A ConfigMap holds at most 1 MiB with its keys. Larger files belong into the image or a volume.",
		Fields:      []string{"services.config"},
	},
	{
		Name: PodField, Kind: WrongValue, Summary: "A variable asks for a field that a pod does not tell of itself",
		Explanation: "The downward API gives a few fields to variables; the message lists them.",
		Example:     "env: POD_IP: field: \"status.podIP\"",
		Fields:      []string{"services.env.field"},
	},
	{
		Name: SameMount, Summary: "Two volumes are mounted on the same path",
		Explanation: "One would hide the other.",
		Fields:      []string{"services.volumes.mount"},
	},
	{
		Name: FileMount, Silenceable: true, Summary: "A config or a secret is mounted where a file should be",
		Explanation: "A config or a secret is mounted as a folder with a file for each of its keys, so \"/etc/app/config.yaml\" would be a folder of that name. With subPath one key is mounted, as a file; what the image has beside it stays. Without it the folder is mounted, which hides what the image has there.",
		Example:     "config: app: \"config.yaml\": \"level: info\"\nvolumes: conf: {config: \"app\", mount: \"/etc/app/config.yaml\", subPath: \"config.yaml\"}",
		Fields:      []string{"services.volumes.mount", "services.volumes.subPath", "services.volumes.config", "services.volumes.secret"},
	},
	{
		Name: NotOfVolume, Summary: "A volume has a field that its kind does not have",
		Explanation: "class and accessModes are of claims, mode of configs and secrets.",
		Fields:      []string{"services.volumes"},
	},
	{
		Name: HostPath, Summary: "A volume is a folder of the node",
		Explanation: "Whoever can write to a node's files can take it over, and the data stays on that node. An agent that needs it says so.",
		Example:     "security: hostPath: true",
		Fields:      []string{"services.volumes.hostPath", "services.security.hostPath"},
	},
	{
		Name: SecretInObjects, Silenceable: true, Summary: "A raw Secret has its values in the project",
		Explanation: "Whoever reads the project, or its history, reads them. A service's secrets come from where they are kept.",
		Example:     "secrets: db: password: sops: {file: \"secrets/prod.yaml\", key: \"password\"}",
		Fields:      []string{"objects"},
	},
	{
		Name: SecretInText, Severity: Warning, Silenceable: true, Summary: "A text looks like a secret",
		Explanation: "Whoever reads the project, its history, or the objects in the cluster reads it. It is one by the name of its variable, such as DB_PASSWORD, or by how it looks: a private key, a password in a URL.",
		Example:     "secrets: db: password: env: \"DB_PASSWORD\"\nenv: DB_PASSWORD: secret: \"db/password\"",
		Fields:      []string{"services.env", "services.secrets"},
	},
	{
		Name: WordAsName, Silenceable: true, Summary: "A word of the language stands where a name of your choice is",
		Explanation: "In env, config and secrets the names of fields are variables and keys. {name: …, value: …} makes two variables, and a config with file: \"app.yaml\" has a key that is called file.",
		Example:     "env: LEVEL: \"debug\"\nconfig: app: \"app.yaml\": file: \"conf/app.yaml\"",
		Fields:      []string{"services.env", "services.config", "services.secrets"},
	},
	{
		Name: NothingFills, Severity: Warning, Silenceable: true, Summary: "A text has a place that nothing fills in",
		Explanation: "It reaches the program as it is: nothing here knows the templates of Helm, and neither Kubernetes nor shipit the variables of a shell. In env, command and args Kubernetes knows $(NAME), the value of another variable.",
		Example:     "_tag: *\"1.4\" | string @tag(tag) // shipit deploy -t tag=1.5\nenv: VERSION: _tag",
		Fields:      []string{"services.env", "services.command", "services.args", "services.config"},
	},
	{
		Name: UnknownVariable, Severity: Warning, Silenceable: true, Summary: "A text refers to a variable that its container does not have",
		Explanation: "In env, command and args Kubernetes replaces $(NAME) by the variable of that name: one of env, envFrom or calls, not one of the image's own, nor what a command would print. Others it leaves as they are, silently. $$(NAME) is the text $(NAME).",
		Example:     "env: {DB_HOST: \"db.example.com\", DB_URL: \"postgres://$(DB_HOST)/shop\"}",
		Fields:      []string{"services.env", "services.command", "services.args"},
	},
	{
		Name: ModeInDecimal, Severity: Warning, Silenceable: true, Summary: "A mode looks octal, but is written as a decimal number",
		Explanation: "chmod reads 644 as octal, CUE as decimal.",
		Example:     "volumes: conf: {config: \"app\", mount: \"/etc/app\", mode: 0o440}\nconfig: app: level: \"info\"",
		Fields:      []string{"services.volumes.mode"},
	},
	{
		Name: NotEncrypted, Kind: WrongValue, Summary: "A file that SOPS should have encrypted, or a value in it, is not encrypted",
		Explanation: "A file that SOPS encrypted says so in its sops metadata, and its values begin with ENC[. Others are secrets that everybody can read who reads the project or its history: encrypt them, and change them wherever they are used.",
		Example:     "sops encrypt --in-place secrets/prod.yaml",
		Fields:      []string{"services.secrets.sops"},
	},
	{
		Name: UnknownSOPSValue, Kind: WrongValue, Summary: "A file that SOPS encrypted has no value of a name",
		Explanation: "The names of the values can be read without a key. Those that lead to a value are joined by dots, places in lists are numbers: \"hosts.0\".",
		Example:     "secrets: db: password: sops: {file: \"secrets/prod.yaml\", key: \"database.password\"}",
	},
	{
		Name: SecretInClear, Severity: Warning, Silenceable: true, Summary: "A secret is a value that SOPS leaves readable",
		Explanation: "Rules in a file's own metadata (unencrypted_suffix, encrypted_regex and the like) leave some of its values as they are. One of them is a secret here, which everybody can read who reads the project.",
	},
	{
		Name: ClaimShared, Silenceable: true, Summary: "Several pods of a Deployment share a claim that one node may use",
		Explanation: "The pods of a Deployment have one claim together. On another node they would wait for it forever. A StatefulSet has a claim for each pod.",
		Example:     "workload: \"StatefulSet\"",
		Fields:      []string{"services.volumes.size"},
	},
}
