package openapi

// The rules. Their names are stable: people silence findings by them.
const (
	UnknownField  = "kubernetes-unknown-field"
	WrongType     = "kubernetes-wrong-type"
	MissingField  = "kubernetes-missing-field"
	UnknownValue  = "kubernetes-unknown-value"
	InvalidValue  = "kubernetes-invalid-value"
	DuplicateKey  = "kubernetes-duplicate-key"
	UnknownKind   = "kubernetes-unknown-kind"
	RemovedAPI    = "kubernetes-removed-api"
	NewerAPI      = "kubernetes-newer-api"
	DeprecatedAPI = "kubernetes-deprecated-api"
	OptionalAPI   = "kubernetes-optional-api"
	UncheckedKind = "kubernetes-unchecked-kind"
	BrokenRule    = "kubernetes-broken-rule"
	InvalidCRD    = "kubernetes-invalid-crd"
)

// Rule is one sort of finding.
type Rule struct {
	Name     string
	Severity Severity
	Summary  string // one line
	Why      string
	Example  string // of the mistake and its fix
}

// Rules lists all rules, by name.
func Rules() []Rule {
	return []Rule{
		{BrokenRule, Error, "a custom resource breaks a rule of its definition",
			"A CustomResourceDefinition can hold rules in CEL (x-kubernetes-validations), which the API server evaluates for each object.",
			"minReplicas: 5, maxReplicas: 3  # rule: self.minReplicas <= self.maxReplicas"},
		{DeprecatedAPI, Warning, "an API version is deprecated",
			"It is still served by this version of Kubernetes, but a later one will not know it, and an upgrade of the cluster would break the deploy.",
			"apiVersion: v1, kind: Endpoints  # discovery.k8s.io/v1 EndpointSlice"},
		{DuplicateKey, Error, "two elements of a list have the same key",
			"Kubernetes merges such a list by its key (the name of a container, the port and protocol of a Service), and refuses to apply one in which a key occurs twice.",
			"env: [{name: A, value: x}, {name: A, value: y}]  # keep one"},
		{InvalidCRD, Error, "a CustomResourceDefinition is not valid",
			"Its schema must be structural, and its CEL rules must compile and stay within the API server's limits of cost.",
			"properties: {a: {}}  # each property needs a type"},
		{InvalidValue, Error, "a value does not have the format that the field needs",
			"Quantities, times, base64 and 32-bit numbers are read by the API server before anything else, as are the patterns and limits of a custom resource's schema.",
			"cpu: 100mm  # 100m"},
		{MissingField, Error, "a required field is missing",
			"The API server has no default for it.",
			"ports: [{name: http}]  # port: 80"},
		{NewerAPI, Error, "an API is newer than the target version of Kubernetes",
			"The version of the environment does not serve it yet.",
			"apiVersion: resource.k8s.io/v1  # from 1.34 on; resource.k8s.io/v1beta1 before"},
		{OptionalAPI, Warning, "an alpha or beta API is not served unless the cluster says so",
			"Since Kubernetes 1.24, new alpha and beta APIs are off by default: the API server needs --runtime-config for them.",
			"apiVersion: networking.k8s.io/v1beta1, kind: IPAddress  # networking.k8s.io/v1"},
		{RemovedAPI, Error, "an API version was removed from Kubernetes",
			"Clusters of the target version do not serve it any more.",
			"apiVersion: extensions/v1beta1, kind: Ingress  # networking.k8s.io/v1"},
		{UncheckedKind, Warning, "a custom resource has no definition to be checked against",
			"Its kind is none of Kubernetes' own, and no CustomResourceDefinition for it was given.",
			"give the definition under objects, or name the folder that holds it"},
		{UnknownField, Error, "a field does not exist",
			"The API server refuses an object with a field that it does not know: it would be lost silently otherwise.",
			"imagee: nginx  # image"},
		{UnknownKind, Error, "a kind or API version does not exist",
			"No version of Kubernetes serves it, and it cannot be a custom resource.",
			"apiVersion: apps/v1, kind: Deploymint  # Deployment"},
		{UnknownValue, Error, "a value is none of those that the field may have",
			"The field has a fixed set of values, spelt exactly as listed.",
			"imagePullPolicy: always  # Always"},
		{WrongType, Error, "a value has the wrong type",
			"The API server reads objects strictly: a number is no string, and a string no number.",
			"env: [{name: PORT, value: 8080}]  # \"8080\""},
	}
}
