package health

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

func TestBlameLogs(t *testing.T) {
	t.Parallel()
	hardened := &corev1.PodSpec{Containers: []corev1.Container{{Name: "web", SecurityContext: &corev1.SecurityContext{ReadOnlyRootFilesystem: ptr.To(true)}}}}
	open := &corev1.PodSpec{Containers: []corev1.Container{{Name: "web"}}}
	for _, test := range []struct {
		line    string
		spec    *corev1.PodSpec
		field   string
		message string
		hint    string
	}{
		{"open /var/lib/app/db: read-only file system", hardened, "security", "it writes to /var/lib/app/db, which is read-only", `mount: "/var/lib/app"`},
		{`nginx: [emerg] mkdir() "/var/cache/nginx/client_temp" failed (30: Read-only file system)`, hardened, "security", "it writes to /var/cache/nginx/client_temp", `mount: "/var/cache/nginx"`},
		{"OSError: [Errno 30] Read-only file system: '/app/x.log'", hardened, "security", "it writes to /app/x.log", `mount: "/app"`},
		{"Error: EROFS: read-only file system, open '/app/.cache/y'", hardened, "security", "it writes to /app/.cache/y", "readOnlyRootFilesystem: false"},
		{"Read-only file system", hardened, "security", "it writes to its root file system, which is read-only", "emptyDir"},
		{"open /data/x: read-only file system", open, "command", "", ""},
		{"open /data/x: permission denied", open, "security", "it is denied /data/x", "runAsUser"},
		{"nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)", hardened, "ports", "it may not listen on port 80", "NET_BIND_SERVICE"},
		{"listen tcp :443: bind: permission denied", hardened, "ports", "port 443", "above 1023"},
		{"login failed: permission denied for user x", hardened, "command", "", ""},
		{"panic: nothing of the sort", hardened, "command", "", ""},
	} {
		d := &Diagnosis{Code: CodeCrashLoop, Container: "web", Field: "command", Message: "the process exited with code 1", Logs: []string{"starting", test.line, "exiting"}}
		BlameLogs(d, test.spec)
		if d.Field != test.field || !strings.Contains(d.Message, test.message) || !strings.Contains(d.Hint, test.hint) || (test.hint == "") != (d.Hint == "") {
			t.Errorf("%q: got %+v", test.line, d)
		}
	}
}
