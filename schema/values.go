package schema

// EnvVar is a variable of the container's environment: a Value, or exactly one
// of the others.
type EnvVar struct {
	Name, Value string
	Config      *KeyRef // of this service's Config
	Secret      *KeyRef // of this service's Secrets
	Field       string  // a field of the pod, as in the downward API: "status.podIP"
}

// EnvFrom makes a variable of each key of one of the service's own configs or
// secrets: exactly one of Config and Secret is set.
type EnvFrom struct {
	Config, Secret string
	Prefix         string // before each name; may be empty
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

// SecretKey says where one value comes from: exactly one of Env, File, SOPS,
// Existing and External is set.
type SecretKey struct {
	Key      string
	Env      string       // a variable of the environment that shipit runs in
	File     string       // a file of the project, relative to its directory
	SOPS     *SOPSKey     // a value in an encrypted file of the project
	Existing *KeyRef      // a Secret in the namespace that shipit does not own
	External *ExternalKey // an ExternalSecret: the cluster's operator fetches it
}

// SOPSKey is a value in a file that SOPS encrypted.
type SOPSKey struct {
	File string // relative to the project's directory; YAML, JSON, .env or INI, by its extension, else binary
	Key  string // a path of names joined by dots: "database.password"; "" is all of a binary file
}

// ExternalKey is a value in a store that the External Secrets Operator knows.
type ExternalKey struct {
	Store     string // a SecretStore or ClusterSecretStore
	StoreKind string // SecretStore (default) or ClusterSecretStore
	Key       string // remoteRef.key
	Property  string // remoteRef.property; may be empty
	Refresh   string // refreshInterval, such as "1h0m0s". Default 1h
}

// Volume is storage of a pod. Exactly one of Claim, ExistingClaim, EmptyDir,
// HostPath, Config and Secret is set.
type Volume struct {
	Name          string
	Mount         string // an absolute path in the service's own container; "" when only others mount it
	SubPath       string // the path inside the volume that is mounted; "" is all of it
	ReadOnly      bool
	Mode          *int32 // of the files of a Config or Secret, as in 0o400; nil is Kubernetes' default
	Claim         *Claim
	ExistingClaim string // a PersistentVolumeClaim in the namespace that shipit does not own
	EmptyDir      *EmptyDir
	HostPath      *HostPath
	Config        string // the name of one of the service's Config
	Secret        string // the name of one of the service's Secrets
}

// Claim is storage that outlives pods and releases: one for each replica of a
// StatefulSet, one in all for the others.
type Claim struct {
	Size        string     // a quantity
	Class       string     // StorageClass; empty is the cluster's default
	AccessModes []string   // default: ReadWriteOnce
	DataSource  *ObjectRef // what it begins as: a VolumeSnapshot or a PersistentVolumeClaim of the namespace; nil is empty
}

// EmptyDir is storage that lives as long as its pod.
type EmptyDir struct {
	SizeLimit string // a quantity; empty has none
	Memory    bool   // on a tmpfs
}

// HostPath is a file or folder of the node.
type HostPath struct {
	Path string
	Type string // Directory, DirectoryOrCreate, File, FileOrCreate, Socket, CharDevice, BlockDevice; "" is not checked
}
