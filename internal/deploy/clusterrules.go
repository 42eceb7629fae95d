package deploy

import (
	"errors"
	"strings"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/schema/rule"
)

// clusterPrefix begins the names of what only the cluster can tell.
const clusterPrefix = "cluster/"

// clusterRules are what a deploy looks at before its first write, and validate
// --server too. Anything but a warning would end the deploy there.
func clusterRules() []rule.Rule {
	rules := []rule.Rule{
		{
			Name:        "admission-denied",
			Summary:     "A policy or a webhook of the cluster refuses an object, or a pod",
			Explanation: "The API server was asked for a dry run. Pod security, quotas and limit ranges act on pods, so one of each changed template was tried too. The message is that of whoever refused it: change what it names, or have the policy changed.",
		},
		{
			Name:        "call",
			Summary:     "A service of another App that is called is not there",
			Explanation: "calls with app name a service of another App, which is looked up in the cluster: its namespace, the service, the port. It is a warning where that App may not be looked at.",
			Example:     "calls: invoices: {app: \"billing\", namespace: \"billing\", port: 8080}",
			Fields:      []string{"services.calls.app", "services.calls.namespace", "services.calls.port"},
		},
		{
			Name:        "config-missing",
			Summary:     "Pods refer to a Secret, a ConfigMap or a key that is not in the namespace",
			Explanation: "The containers would not start. What shipit makes itself it knows to be there; this is about what exists already: secrets with existing, pull, and patches.",
			Example:     "secrets: db: password: existing: \"db/password\"",
			Fields:      []string{"services.secrets.existing", "services.pull"},
		},
		{
			Name:        "conflict",
			Summary:     "Somebody else manages a field with another value",
			Explanation: "Another field manager (a person with kubectl, a controller, another App) set it. shipit never forces such a field: drop it from the CUE, or make the other manager give it up.",
		},
		{
			Name:        "forbidden",
			Summary:     "Something may not be done, or not be looked at",
			Explanation: "The rights of whoever deploys do not suffice in this cluster. What could not be looked at was not checked, which is a warning.",
		},
		{
			Name:        "invalid",
			Summary:     "The API server does not accept an object",
			Explanation: "A value is not valid in this cluster's version of Kubernetes or by the definition of a custom resource; or a field changed that cannot be changed once the object is there.",
		},
		{
			Name:        "not-ours",
			Summary:     "An object is there already that shipit did not make for this App",
			Explanation: "It is never taken over. Give the service another name, deploy to another namespace with -n, or remove the object.",
		},
		{
			Name:        "other-project",
			Summary:     "Another project deploys this service of the App",
			Explanation: "Services of one App may live in several repositories, but each in one: two that deploy one service would undo each other's work. The message names the other project; --take-over makes the service this one's.",
		},
		{
			Name:        "quota-exceeded",
			Summary:     "A quota of the namespace does not hold what would run",
			Explanation: "What the quota leaves was compared with what the new pods ask for, and with claims. Raise the quota, ask for less, or run fewer replicas.",
			Fields:      []string{"services.resources", "services.replicas"},
		},
		{
			Name:        "refused",
			Summary:     "The cluster would refuse an object for another reason",
			Explanation: "The message is the API server's, such as that it has no such kind.",
		},
		{
			Name: "unschedulable", Severity: rule.Warning,
			Summary:     "No node of the cluster can take the pods, as the nodes are",
			Explanation: "The nodes' labels, taints and sizes were compared with what the pods want, as if nothing else ran there. It is a warning, as a cluster may add nodes when they are wanted.",
			Example:     "placement: nodes: \"kubernetes.io/arch\": \"amd64\"",
			Fields:      []string{"services.placement.nodes", "services.placement.tolerations", "services.resources"},
		},
		{
			Name: "warning", Severity: rule.Warning,
			Summary:     "Something should be known that does not keep a deploy from going on",
			Explanation: "The API server warned of an object, or a check needs something that is not there yet, such as the namespace: a deploy makes it and checks then.",
		},
	}
	for i := range rules {
		r := &rules[i]
		r.Name, r.Silenceable = clusterPrefix+r.Name, true
		if r.Severity == "" {
			r.Severity = rule.Error
		}
	}
	return rules
}

// clusterRule names the check that found it.
func clusterRule(f apply.Finding) string {
	var (
		call      *apply.CallError
		conflict  *apply.ConflictError
		notOurs   *apply.NotOursError
		forbidden *apply.ForbiddenError
		source    *apply.SourceError
		denied    *apply.DeniedError
		invalid   *apply.InvalidError
	)
	name := "refused"
	switch {
	case f.Diagnosis != nil:
		name = kebab(string(f.Diagnosis.Code))
	case errors.As(f.Err, &call):
		name = "call"
	case errors.As(f.Err, &conflict):
		name = "conflict"
	case errors.As(f.Err, &notOurs):
		name = "not-ours"
	case errors.As(f.Err, &forbidden):
		name = "forbidden"
	case errors.As(f.Err, &source):
		name = "other-project"
	case errors.As(f.Err, &denied):
		name = kebab(string(apply.CodeAdmissionDenied))
	case errors.As(f.Err, &invalid):
		name = "invalid"
	case f.Warning:
		name = "warning"
	}
	return clusterPrefix + name
}

// kebab writes QuotaExceeded as quota-exceeded.
func kebab(s string) string {
	var b strings.Builder
	for i, r := range s {
		if 'A' <= r && r <= 'Z' {
			if i > 0 {
				b.WriteByte('-')
			}
			r += 'a' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}
