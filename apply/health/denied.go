package health

import (
	"fmt"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// createProblems tells why a ReplicaSet cannot make its pods.
func createProblems(w *Workload) []Problem {
	if w.replicaSet == nil {
		return nil
	}
	for _, cond := range w.replicaSet.Status.Conditions {
		if cond.Type != "ReplicaFailure" || cond.Status != corev1.ConditionTrue {
			continue
		}
		d := Denied(cond.Message, RefOf(w.Object))
		pr := Problem{Key: "create/" + string(d.Code), Diagnosis: d, Grace: denialGrace(d.Code, cond.Message)}
		if d.Code == CodeQuotaExceeded {
			pr.Unsure = true // there may be room by now
			if w.Moving {
				pr.Key, pr.Grace = pr.Key+"/moving", never
			}
		}
		return []Problem{pr}
	}
	return nil
}

// How those word it who were asked whether a pod may be made, and could not say:
// the API server, its store, or a webhook.
var undecided = regexp.MustCompile(`failed calling webhook|[Ii]nternal error|etcdserver|the object has been modified|not yet ready|[Tt]oo many requests|` +
	`[Tt]imeout|timed out|deadline exceeded|connection re|EOF|unavailable|unable to handle the request|try again`)

// denialGrace is how long a pod may be refused before that counts. Its controller
// asks again after pauses that grow as long as it was refused before.
func denialGrace(code Code, message string) time.Duration {
	switch {
	case code == CodeQuotaExceeded:
		return graceQuota
	case deniedBy.MatchString(message), strings.Contains(message, "violates PodSecurity"):
		return graceAdmission
	case undecided.MatchString(message):
		return graceWebhook
	case code == CodeConfigMissing, strings.Contains(message, "not found"), strings.Contains(message, "no PriorityClass"):
		return graceAccount
	}
	return graceAdmission
}

// Uncreated is what keeps a controller without such a condition from making its
// next pod, which only its events tell: all pods there are ready, and there are
// not enough.
func uncreated(w *Workload, wanted int32) []Problem {
	ready := int32(0)
	switch w.Object.GetKind() {
	case "StatefulSet", "DaemonSet":
		for _, p := range w.all {
			if !Ready(p) {
				return nil
			}
			ready++
		}
	case "Job":
		ready, wanted = int32(len(w.Pods)), 1
		if n, ok, _ := unstructured.NestedInt64(w.Object.Object, "spec", "parallelism"); ok {
			wanted = int32(n)
		}
	default:
		return nil
	}
	if ready >= wanted {
		return nil
	}
	d := Diagnosis{Code: CodeDeadlineExceeded, Message: fmt.Sprintf("%d of %d pods were made", ready, wanted)}
	return []Problem{{Key: "uncreated", Diagnosis: d, Grace: graceAsk, Unsure: true, Uncreated: true}}
}

// Denied says why a pod of a workload was not admitted, by what the API server
// answered, or what the controller tells of it.
func Denied(message string, workload Ref) Diagnosis {
	d := Diagnosis{Code: CodeAdmissionDenied, Object: workload, Message: Denial(message)}
	d.Hint = DenialHint(d.Message, Ref{Kind: workload.Kind + ": " + templateOfKind(workload.Kind), Namespace: workload.Namespace})
	switch {
	case strings.Contains(message, "exceeded quota"):
		d = quotaExceeded(d.Message)
	case strings.Contains(message, "failed quota"):
		d.Field = "resources"
		d.Hint = "the namespace's quota counts what the service does not ask for: write it under resources"
	case strings.Contains(message, "violates PodSecurity"):
		d.Field = "security"
		d.Hint = "the namespace's pod security level forbids what the service asks for"
	case strings.Contains(message, "serviceaccount") && strings.Contains(message, "not found"):
		d.Code = CodeConfigMissing
	case strings.Contains(message, "usage per") && strings.Contains(message, " memory "):
		d.Field, d.Hint = "resources.memory", "the namespace has a LimitRange"
	case strings.Contains(message, "usage per") && strings.Contains(message, " cpu "):
		d.Field, d.Hint = "resources.cpu", "the namespace has a LimitRange"
	case !deniedBy.MatchString(message) && undecided.MatchString(message):
		d.Hint = "pods are refused as long as what is asked about them does not answer"
	}
	return d
}

// deniedBy is how the API server says which policy or webhook refused a request.
var deniedBy = regexp.MustCompile(`ValidatingAdmissionPolicy '([^']+)'.* denied request|admission webhook "([^"]+)" denied the request`)

// Denial drops from an admission message which object was refused, and who wanted
// to make it: what is left is the reason.
func Denial(message string) string {
	if _, rest, ok := strings.Cut(message, " is forbidden: "); ok {
		return strings.ReplaceAll(rest, "\n", " ")
	}
	if at := deniedBy.FindStringIndex(message); at != nil {
		return message[at[0]:]
	}
	return message
}

// DenialHint is the way out of the denial of an object by a policy or a webhook;
// "" of others, which say it themselves.
func DenialHint(reason string, object Ref) string {
	m := deniedBy.FindStringSubmatch(reason)
	if m == nil {
		return ""
	}
	by := "policy " + m[1]
	if m[2] != "" {
		by = "webhook " + m[2]
	}
	where := "this one"
	if object.Namespace != "" {
		where = "namespace " + object.Namespace
	}
	return fmt.Sprintf("write what it asks for (`patch: %s: …` reaches what no other field says), or ask whoever keeps %s to leave %s out", object.Kind, by, where)
}

// templateOfKind is where workloads of the kind have the template of their pods.
func templateOfKind(kind string) string {
	if kind == "CronJob" {
		return "spec: jobTemplate: spec: template"
	}
	return "spec: template"
}

// IsDenial reports whether a policy or a webhook refused a request.
func IsDenial(message string) bool { return deniedBy.MatchString(message) }
