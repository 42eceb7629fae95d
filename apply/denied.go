package apply

import (
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// createProblems tells why a ReplicaSet cannot make its pods.
func createProblems(w *workload) []problem {
	if w.replicaSet == nil {
		return nil
	}
	for _, cond := range w.replicaSet.Status.Conditions {
		if cond.Type != "ReplicaFailure" || cond.Status != corev1.ConditionTrue {
			continue
		}
		d, grace := denied(cond.Message), graceAdmission
		if d.Code == CodeQuotaExceeded {
			grace = graceQuota
		}
		return []problem{{key: "create/" + string(d.Code), Diagnosis: d, grace: grace}}
	}
	return nil
}

// uncreated is what keeps a controller without such a condition from making its
// next pod, which only its events tell: all pods there are ready, and there are
// not enough.
func uncreated(w *workload, wanted int32) []problem {
	ready := int32(0)
	switch w.object.GetKind() {
	case "StatefulSet":
		for _, p := range w.all {
			if !podStatus(p).Ready {
				return nil
			}
			ready++
		}
	case "Job":
		ready, wanted = int32(len(w.pods)), 1
		if n, ok, _ := unstructured.NestedInt64(w.object.Object, "spec", "parallelism"); ok {
			wanted = int32(n)
		}
	default:
		return nil
	}
	if ready >= wanted {
		return nil
	}
	d := Diagnosis{Code: CodeDeadlineExceeded, Message: fmt.Sprintf("%d of %d pods were made", ready, wanted)}
	return []problem{{key: "uncreated", Diagnosis: d, grace: graceAsk, unsure: true, uncreated: true}}
}

// denied says why a pod was not admitted.
func denied(message string) Diagnosis {
	d := Diagnosis{Code: CodeAdmissionDenied, Message: denial(message)}
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
	}
	return d
}

// quotaMessage is how the quota admission words what does not fit.
var quotaMessage = regexp.MustCompile(`exceeded quota: ([^,]+), requested: (.*), used: (.*), limited: (.*)`)

// quotaExceeded says which quota has no room, for what, and how much is left.
func quotaExceeded(message string) Diagnosis {
	d := Diagnosis{Code: CodeQuotaExceeded, Field: "resources", Message: message, Hint: "raise the quota, ask for less, or run fewer replicas"}
	m := quotaMessage.FindStringSubmatch(message)
	if m == nil {
		return d
	}
	used, limited := amounts(m[3]), amounts(m[4])
	var parts []string
	for _, pair := range strings.Split(m[2], ",") {
		name, wanted, _ := strings.Cut(pair, "=")
		u, errU := resource.ParseQuantity(used[name])
		left, errL := resource.ParseQuantity(limited[name])
		if errU != nil || errL != nil {
			return d
		}
		left.Sub(u)
		if left.Sign() < 0 {
			left = resource.Quantity{}
		}
		parts = append(parts, fmt.Sprintf("%s %s, and %s of %s are left", name, wanted, left.String(), limited[name]))
		d.Field = quotaField(corev1.ResourceName(name))
	}
	d.Message = fmt.Sprintf("exceeded quota %s: one more pod needs %s", m[1], strings.Join(parts, "; "))
	return d
}

// amounts reads "pods=1,requests.cpu=2".
func amounts(s string) map[string]string {
	out := map[string]string{}
	for _, pair := range strings.Split(s, ",") {
		name, value, _ := strings.Cut(pair, "=")
		out[name] = value
	}
	return out
}

// denial drops the pod's generated name from an admission message.
func denial(message string) string {
	if _, rest, ok := strings.Cut(message, " is forbidden: "); ok {
		return rest
	}
	return message
}
