package health

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// unhealthy is an event of a probe that failed so often between two times, in seconds.
func unhealthy(said string, count int32, from, to int) corev1.Event {
	at := func(s int) metav1.Time { return metav1.Unix(int64(1000+s), 0) }
	return corev1.Event{Reason: "Unhealthy", Message: "Readiness probe failed: " + said, Count: count, FirstTimestamp: at(from), LastTimestamp: at(to)}
}

func TestRefineProbe(t *testing.T) {
	t.Parallel()
	port := intstr.FromString("http")
	get := func(scheme corev1.URIScheme) corev1.ProbeHandler {
		return corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/readyz", Port: port, Scheme: scheme}}
	}
	http, https := get(""), get("HTTPS")
	exec := corev1.ProbeHandler{Exec: &corev1.ExecAction{Command: []string{"ready"}}}
	tcp := corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: port}}
	grpc := corev1.ProbeHandler{GRPC: &corev1.GRPCAction{Port: 8080}}
	status := func(code string) string { return "HTTP probe failed with statuscode: " + code }
	const (
		nobody  = `Get "http://10.0.0.7:8080/readyz": dial tcp 10.0.0.7:8080: connect: connection refused`
		timeout = `Get "http://10.0.0.7:8080/readyz": context deadline exceeded (Client.Timeout exceeded while awaiting headers)`
	)
	for name, tt := range map[string]struct {
		probe   corev1.ProbeHandler
		events  []corev1.Event
		lasted  int // seconds
		log     string
		talks   bool
		certain bool
		hint    string
		message string
	}{
		"no such path":              {http, []corev1.Event{unhealthy(status("404"), 3, 2, 6)}, 8, "", false, true, "has no /readyz", ""},
		"no such path any more":     {http, []corev1.Event{unhealthy(status("410"), 3, 2, 6)}, 8, "", false, true, "has no /readyz", ""},
		"after it started":          {http, []corev1.Event{unhealthy(nobody, 2, 0, 2), unhealthy(status("404"), 3, 4, 8)}, 10, "", false, true, "has no /readyz", ""},
		"only once":                 {http, []corev1.Event{unhealthy(status("404"), 1, 2, 2)}, 60, "", false, false, "startup", ""},
		"in turns with another":     {http, []corev1.Event{unhealthy(status("503"), 9, 0, 30), unhealthy(status("404"), 9, 2, 32)}, 60, "", false, false, "startup", ""},
		"of another container":      {http, []corev1.Event{{Reason: "Unhealthy", Count: 9, Message: "Readiness probe failed: " + status("404"), InvolvedObject: corev1.ObjectReference{FieldPath: "spec.containers{other}"}}}, 60, "", false, false, "startup", ""},
		"of the liveness probe":     {http, []corev1.Event{{Reason: "Unhealthy", Count: 9, Message: "Liveness probe failed: " + status("404")}}, 60, "", false, false, "startup", ""},
		"wants a login":             {http, []corev1.Event{unhealthy(status("401"), 3, 2, 6)}, 8, "", false, true, "without credentials", ""},
		"forbids it":                {http, []corev1.Event{unhealthy(status("403"), 3, 2, 6)}, 8, "", false, true, "without credentials", ""},
		"another method":            {http, []corev1.Event{unhealthy(status("405"), 3, 2, 6)}, 8, "", false, true, "GET", ""},
		"TLS, asked in plain":       {http, []corev1.Event{unhealthy(status("400"), 3, 2, 6)}, 8, "", false, true, `scheme: "HTTPS"`, ""},
		"plain, asked by TLS":       {https, []corev1.Event{unhealthy(`Get "https://10.0.0.7:8080/readyz": http: server gave HTTP response to HTTPS client`, 3, 2, 6)}, 8, "", false, true, "plain HTTP", ""},
		"another protocol":          {http, []corev1.Event{unhealthy(`Get "http://10.0.0.7:8080/readyz": net/http: HTTP/1.x transport connection broken: malformed HTTP response "\x00\x00"`, 3, 2, 6)}, 8, "", false, true, "does not speak HTTP", ""},
		"no gRPC health":            {grpc, []corev1.Event{unhealthy("error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unknown service", 3, 2, 6)}, 8, "", false, true, "grpc.health.v1.Health", ""},
		"no such program":           {exec, []corev1.Event{unhealthy(`OCI runtime exec failed: exec: "ready": executable file not found in $PATH`, 3, 2, 6)}, 8, "", false, true, "under exec", ""},
		"a program's own words":     {exec, []corev1.Event{unhealthy(status("404"), 9, 2, 40)}, 60, "", false, false, "startup", ""},
		"not ready yet":             {http, []corev1.Event{unhealthy(status("503"), 30, 2, 60)}, 60, "", false, false, "startup", ""},
		"never ready":               {http, []corev1.Event{unhealthy(status("503"), 40, 2, 92)}, 93, "", false, true, "startup", ""},
		"busy":                      {http, []corev1.Event{unhealthy(timeout, 30, 2, 60)}, 60, "", false, false, "startup", ""},
		"no events":                 {http, nil, 60, "", false, false, "startup", ""},
		"nothing listens yet":       {http, []corev1.Event{unhealthy(nobody, 8, 0, 16)}, 16, "", false, false, "startup", ""},
		"nothing listens":           {http, []corev1.Event{unhealthy(nobody, 14, 0, 28)}, 28, "", false, true, "startup", "nothing listens on port 8080"},
		"nothing listens, by TCP":   {tcp, []corev1.Event{unhealthy("dial tcp 10.0.0.7:8080: connect: connection refused", 14, 0, 28)}, 28, "", false, true, "startup", "nothing listens on port 8080"},
		"it starts, and says so":    {http, []corev1.Event{unhealthy(nobody, 14, 0, 28)}, 28, "loading", true, false, "startup", "nothing listens on port 8080"},
		"it starts for ever":        {http, []corev1.Event{unhealthy(nobody, 14, 0, 90)}, 93, "loading", true, true, "startup", "nothing listens on port 8080"},
		"it listens at another one": {http, []corev1.Event{unhealthy(nobody, 14, 0, 28)}, 28, "13:56:39 listening on :9090", true, true, "under ports", "it listens on port 9090"},
		"for itself alone":          {http, []corev1.Event{unhealthy(nobody, 14, 0, 28)}, 28, "Listening on http://127.0.0.1:8080", true, true, "under ports", "nobody outside"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := corev1.Container{Name: "web", Ports: []corev1.ContainerPort{{Name: "http", ContainerPort: 8080}}}
			c.ReadinessProbe = &corev1.Probe{ProbeHandler: tt.probe, PeriodSeconds: 2, FailureThreshold: 15}
			d := &Diagnosis{Code: CodeProbeFailing, Container: "web", Field: "probes.readiness", Message: "it does not pass"}
			certain := RefineProbe(d, d.Field, &corev1.PodSpec{Containers: []corev1.Container{c}}, tt.events, time.Duration(tt.lasted)*time.Second, func(port int32) Listening {
				return Listening{Elsewhere: ListensElsewhere([]string{tt.log}, port), Talks: tt.talks}
			})
			if certain != tt.certain || !strings.Contains(d.Hint, tt.hint) || !strings.Contains(d.Message, tt.message) {
				t.Errorf("certain %v, %s\nhint: %s", certain, d.Message, d.Hint)
			}
		})
	}
}

func TestListensElsewhere(t *testing.T) {
	t.Parallel()
	for line, want := range map[string]string{
		"listening on :9090":                              "port 9090",
		"2026/11/30 13:56:39 server started at port 3000": "port 3000",
		`{"msg":"listening","addr":"0.0.0.0:9090"}`:       "port 9090",
		"Tomcat started on port(s): 9090 (http)":          "port 9090",
		"serving http://localhost:8080":                   "localhost:8080",
		"listening on :8080":                              "",
		"listening on [::]:8080":                          "",
		"13:56:39 starting":                               "",
		"13:56:39 listening":                              "",
		"dial tcp 10.0.0.7:5432: connect: refused":        "",
		"connected to db:5432":                            "",
		"":                                                "",
	} {
		if got := ListensElsewhere([]string{line}, 8080); want == "" && got != "" || !strings.HasPrefix(got, want) {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
}
