package rule

// The rules about the language itself. These are kinds of errors too.
const (
	NoProject    = "no-project"
	NoApp        = "no-app"
	Syntax       = "syntax"
	Import       = "import"
	Tag          = "tag"
	Reference    = "reference"
	Conflict     = "conflict"
	NoValue      = "no-value"
	Evaluation   = "evaluation"
	UnknownField = "unknown-field"
	MissingField = "missing-field"
	WrongValue   = "wrong-value"
	WrongName    = "wrong-name"
	StaleSchema  = "stale-schema"

	// Contradicts is the kind of values that are fine alone, but not together.
	Contradicts = "contradicts"
)

// More rules about the language.
const (
	OneOf         = "one-of"
	ProjectFile   = "project-file"
	FileUnread    = "file-unread"
	ModuleFetch   = "module-fetch"
	OwnServices   = "own-services"
	ReservedLabel = "reserved-label"
	PatchConflict = "patch-conflict"
	PatchNothing  = "patch-nothing"
	BadObject     = "bad-object"
	TTL           = "ttl"
	InputLimit    = "input-limit"
	policyBroken  = "policy"
	BadIgnore     = "bad-ignore"
	OptionalField = "optional-field"
)

var languageRules = []Rule{
	{
		Name: NoProject, Kind: NoProject, Summary: "There is no project here",
		Explanation: "A project is a folder with cue.mod/module.cue and a CUE package, or a folder below it. The message says where shipit looked.",
		Example:     "shipit init",
	},
	{
		Name: NoApp, Kind: NoApp, Summary: "The package is no App",
		Explanation: "The files of a folder are one package, and one of them has v1.#App at its top. A file that names another package, or none, is not part of it.",
		Example:     "package shop\n\nimport \"shipit.dev/v1\"\n\nv1.#App & {\n\tname: \"shop\"\n\tservices: web: image: \"nginx:1.29\"\n}",
	},
	{
		Name: Syntax, Kind: Syntax, Summary: "A file is not CUE",
		Explanation: "CUE is JSON with less punctuation: fields are name: value, texts have quotes, lists have brackets, and comments begin with //.",
		Example:     "services: web: {\n\timage:    \"nginx:1.29\"\n\treplicas: 2\n}",
	},
	{
		Name: Import, Kind: Import, Summary: "An imported package is not there, or may not be read",
		Explanation: "Packages come from the project's own module, from its cue.mod/pkg, from CUE itself, and from the modules that cue.mod/module.cue names in deps. Links that lead out of the project are not followed.",
		Example:     "import \"example.com/shop/platform\" // the folder platform of the module example.com/shop",
	},
	{
		Name: ModuleFetch, Kind: Import, Summary: "A module that the project depends on cannot be fetched",
		Explanation: "The modules that cue.mod/module.cue names in deps come from CUE's module cache, or else from the OCI registry that CUE_REGISTRY names for them, with the logins of docker or cue. What is in the cache needs neither network nor registry.",
		Example:     "CUE_REGISTRY=registry.example.com/cue-modules cue mod tidy",
	},
	{
		Name: Tag, Kind: Tag, Summary: "A tag is missing, unknown, or of a wrong value",
		Explanation: "A field with @tag(name) gets its value from the command line: -t name=value.",
		Example:     "_version: string @tag(version) // shipit deploy -t version=1.2",
	},
	{
		Name: Reference, Kind: Reference, Summary: "Something is referred to that is not defined",
		Explanation: "A name without quotes is a reference to a field, an import or a word of CUE. A text needs quotes. A field that has no value as long as nobody writes it cannot be referred to.",
		Example:     "image: \"nginx\" // not: image: nginx",
	},
	{
		Name: Conflict, Kind: Conflict, Summary: "A field has values that exclude each other",
		Explanation: "CUE combines whatever is said about a field, in any file and any order; nothing overrides. A value that another place may change is written as a default.",
		Example:     "replicas: *2 | int",
		Fields:      []string{"environments"},
	},
	{
		Name: NoValue, Kind: NoValue, Summary: "A field has a type, but no value",
		Explanation: "All that is deployed must be decided: a number, not int. A field that an environment decides has a default outside of it, or is only written in environments.",
		Example:     "replicas: *2 | int",
		Fields:      []string{"environments"},
	},
	{
		Name: Evaluation, Kind: Evaluation, Summary: "A value cannot be computed",
		Explanation: "It refers to itself, divides by zero, or is an error that the project itself raises.",
	},
	{
		Name: UnknownField, Kind: UnknownField, Summary: "A field is not a word of the language",
		Explanation: "The language is closed, so that a typo is found. The message names the word that was probably meant. What Kubernetes has and the language lacks is written with patch or objects.",
		Example:     "services: web: patch: Deployment: spec: template: spec: hostname: \"web\"",
	},
	{
		Name: MissingField, Kind: MissingField, Summary: "A field that is needed is not there",
		Explanation: "The message says what the field is, and shows one.",
	},
	{
		Name: WrongValue, Kind: WrongValue, Summary: "A value is not what its field must be",
		Explanation: "The message says what it must be. `shipit explain PATH` says more about a field.",
	},
	{
		Name: WrongName, Kind: WrongName, Summary: "A name cannot be used",
		Explanation: "Names become names of Kubernetes objects, ports, or variables, which take only some characters and lengths.",
	},
	{
		Name: OptionalField, Kind: NoValue, Severity: Warning, Silenceable: true, Summary: "A field is written with ?, and so sets nothing",
		Explanation: "In CUE replicas?: 2 does not say that there are two replicas, only that they must be 2 if another place says how many. That belongs into definitions. A value that another place may change is a default.",
		Example:     "replicas: *2 | int",
	},
	{
		Name: StaleSchema, Kind: StaleSchema, Severity: Warning, Silenceable: true, Summary: "The project's copy of the schema is not this program's",
		Explanation: "shipit always evaluates with its own copy. Editors and cue vet read the one below cue.mod/pkg, which `shipit init --update` renews.",
		Example:     "shipit init --update",
	},
	{
		Name: FileUnread, Kind: NoApp, Severity: Warning, Silenceable: true, Summary: "A CUE file is not read, as it names no package",
		Explanation: "Files take part in a project when they begin with the same package clause.",
		Example:     "package shop",
	},
	{
		Name: OneOf, Summary: "Of several alternatives more than one is given",
		Explanation: "Some structs are exactly one thing: a volume is a claim or an emptyDir, a secret comes from one source.",
		Example:     "secrets: db: password: env: \"DB_PASSWORD\"",
		Fields:      []string{"services.secrets", "services.volumes", "services.probes.startup", "services.disruption"},
	},
	{
		Name: ProjectFile, Kind: WrongValue, Summary: "A file of the project is not there, cannot be used, or is outside",
		Explanation: "Paths are relative to the project's folder. Files outside of it are never read, nor through links.",
		Example:     "config: app: \"app.yaml\": file: \"conf/app.yaml\"",
		Fields:      []string{"services.config.file", "services.secrets.file", "objects.file", "crds"},
	},
	{
		Name: OwnServices, Kind: Reference, Severity: Warning, Silenceable: true, Summary: "An environment goes through its own services only",
		Explanation: "Inside of an environment, services are those that it names itself. [string]: says something about every service of the App.",
		Example:     "environments: dev: services: [string]: replicas: 1",
		Fields:      []string{"environments.services"},
	},
	{
		Name: ReservedLabel, Summary: "A label or an annotation is set by shipit itself, or by Kubernetes",
		Explanation: "shipit finds its objects by some labels and annotations, those of shipit.dev/ among them, and monitor writes those of prometheus.io/.",
		Example:     "annotations: \"linkerd.io/inject\": \"enabled\"",
		Fields:      []string{"labels", "annotations", "namespaceLabels", "namespaceAnnotations", "services.labels", "services.annotations"},
	},
	{
		Name: PatchConflict, Kind: Conflict, Summary: "A patch contradicts the object that it is for",
		Explanation: "A patch is unified with the generated object: it adds what that does not say. What shipit sets itself is changed with the words of the service.",
		Example:     "patch: Deployment: spec: template: spec: containers: web: terminationMessagePolicy: \"FallbackToLogsOnError\"",
		Fields:      []string{"services.patch"},
	},
	{
		Name: InputLimit, Kind: Syntax, Summary: "A file is larger, or nested deeper, than is read, or makes more than is sensible",
		Explanation: "What is evaluated is bounded, so that no file can take the machine: a file has at most 8 MiB, and not many thousand parts inside of each other, and a list that is counted out at most 200000 items. What takes too much otherwise ends after ten seconds, or a gigabyte.",
	},
	{
		Name: PatchNothing, Summary: "A patch is for an object that the service does not have",
		Explanation: "Patches are by the kind of a generated object. What is not generated is written in objects.",
		Fields:      []string{"services.patch"},
	},
	{
		Name: TTL, Kind: WrongValue, Summary: "The app would end where it should not",
		Explanation: "shipit delete --expired removes every app whose ttl is over since its last deploy. In a protected environment nothing is to be removed so, and a ttl of nothing is over at once.",
		Example:     "environments: preview: ttl: \"72h\"",
		Fields:      []string{"ttl", "environments.ttl"},
	},
	{
		Name: BadObject, Kind: WrongValue, Summary: "A raw object is no Kubernetes object",
		Explanation: "It needs an apiVersion, a kind and a name, in CUE or in YAML. A folder of crds holds CustomResourceDefinitions only.",
		Example:     "objects: issuer: file: \"objects/issuer.yaml\"",
		Fields:      []string{"objects"},
	},
	{
		Name: policyBroken, Silenceable: true, Summary: "An object breaks a policy of the App",
		Explanation: "The policies in policy are the organisation's own rules, checked against every rendered object. The message is the policy's.",
		Fields:      []string{"policy"},
	},
	{
		Name: BadIgnore, Kind: WrongValue, Severity: Warning, Summary: "A shipit:ignore comment silences nothing",
		Explanation: "It needs the name of a rule that can be silenced, and a reason, at the end of the line that the rule names or on the line above.",
		Example:     "// shipit:ignore quota-surge the nodes are scaled up for deploys",
	},
}
