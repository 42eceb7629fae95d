package health

import (
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

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
		d.Field = QuotaField(corev1.ResourceName(name))
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

// oneMore is how a Diagnosis names what one more pod needs, and of which quota.
var (
	exceeded = regexp.MustCompile(`^exceeded quota (\S+): one more pod needs `)
	oneMore  = regexp.MustCompile(`(\S+) (\S+), and \S+ of \S+ are left`)
)

// ExceededQuota is the quota that d blames; "" when it blames none.
func ExceededQuota(d *Diagnosis) string {
	m := exceeded.FindStringSubmatch(d.Message)
	if m == nil {
		return ""
	}
	return m[1]
}

// HasRoom reports whether a quota has room for what the message of a Diagnosis with
// CodeQuotaExceeded says that one more pod needs.
func HasRoom(s corev1.ResourceQuotaStatus, message string) bool {
	needs := oneMore.FindAllStringSubmatch(message, -1)
	for _, need := range needs {
		more, err := resource.ParseQuantity(need[2])
		if err != nil {
			return false
		}
		name := corev1.ResourceName(need[1])
		hard, used := s.Hard[name], s.Used[name]
		if used.Add(more); used.Cmp(hard) > 0 {
			return false
		}
	}
	return len(needs) > 0
}
