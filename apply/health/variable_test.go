package health

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

func TestBlameVariable(t *testing.T) {
	t.Parallel()
	spec := &corev1.PodSpec{Containers: []corev1.Container{{Name: "web", Env: []corev1.EnvVar{
		{Name: "SIGNING_KEY"}, {Name: "KEY"}, {Name: "DB_URL", Value: "postgres://dbb:5432/shop"}, {Name: "DB_HOST", Value: "dbb.example.com"},
	}}}}
	for log, want := range map[string]struct{ field, message string }{
		"fatal: SIGNING_KEY must have at least 16 characters":                 {"env.SIGNING_KEY", "its log names SIGNING_KEY"},
		`{"level":"error","msg":"invalid value of KEY"}`:                      {"env.KEY", "its log names KEY"},
		"fatal: DB_URL is not a URL\nexiting":                                 {"env.DB_URL", "its log names DB_URL"},
		"starting with KEY=x":                                                 {"command", ""},
		"fatal: OTHER must be set":                                            {"command", ""},
		"fatal: MONKEYS must be set":                                          {"command", ""},
		"dial tcp: lookup dbb on 10.96.0.10:53: no such host":                 {"env.DB_URL", "there is no host dbb"},
		"dial tcp: lookup dbb.example.com: no such host":                      {"env.DB_HOST", "there is no host dbb.example.com"},
		"Error: getaddrinfo ENOTFOUND dbb":                                    {"env.DB_URL", "there is no host dbb"},
		`could not translate host name "dbb" to address: Name does not exist`: {"env.DB_URL", "there is no host dbb"},
		"java.net.UnknownHostException: other: Name or service not known":     {"command", "there is no host other"},
	} {
		d := &Diagnosis{Code: CodeCrashLoop, Container: "web", Field: "command", Message: "the process exited with code 1", Logs: strings.Split(log, "\n")}
		BlameLogs(d, spec)
		if d.Field != want.field || !strings.Contains(d.Message, want.message) || want.message == "" && strings.Contains(d.Message, ";") {
			t.Errorf("%q: got %+v", log, d)
		}
	}
}

func TestLimitOfMemoryIsSaid(t *testing.T) {
	t.Parallel()
	c := corev1.Container{Name: "web", Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("64Mi")}}}
	got := podProblems(podOf(after(waiting("CrashLoopBackOff", ""), 1, exited(137, "OOMKilled")), c))
	if len(got) != 1 || !strings.Contains(got[0].Message, "limit of 64Mi") || got[0].Hint != "raise resources.memory above 64Mi" {
		t.Errorf("%+v", got)
	}
}

// An event that says what the headline says is left out.
func TestWarningsDoNotRepeat(t *testing.T) {
	t.Parallel()
	events := []corev1.Event{
		{Type: "Warning", Reason: "Unhealthy", Message: "Readiness probe failed: HTTP probe failed with statuscode: 404"},
		{Type: "Warning", Reason: "BackOff", Message: "Back-off restarting failed container web in pod web-1_ns(1)"},
		{Type: "Warning", Reason: "Unhealthy", Message: "Liveness probe failed: HTTP probe failed with statuscode: 500"},
	}
	got := Warnings(events, "readiness probe: HTTP probe failed with statuscode: 404 (for 9s)")
	if len(got) != 1 || !strings.Contains(got[0], "500") {
		t.Errorf("%q", got)
	}
}
