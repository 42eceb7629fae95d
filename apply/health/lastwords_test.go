package health

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// podWith has the container web, with a root that is read-only or not, and all kinds
// of volumes.
func podWith(change func(*corev1.Container)) *corev1.PodSpec {
	c := corev1.Container{
		Name: "web", Ports: []corev1.ContainerPort{{ContainerPort: 80}},
		VolumeMounts: []corev1.VolumeMount{
			{Name: "data", MountPath: "/data"}, {Name: "archive", MountPath: "/archive", ReadOnly: true},
			{Name: "conf", MountPath: "/etc/web", ReadOnly: true}, {Name: "tmp", MountPath: "/tmp"}, {Name: "old", MountPath: "/data/old"},
		},
		SecurityContext: &corev1.SecurityContext{ReadOnlyRootFilesystem: ptr.To(true), Capabilities: &corev1.Capabilities{}},
	}
	if change != nil {
		change(&c)
	}
	claim := func(name string, readOnly bool) corev1.Volume {
		return corev1.Volume{Name: name, VolumeSource: corev1.VolumeSource{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: name, ReadOnly: readOnly}}}
	}
	return &corev1.PodSpec{Containers: []corev1.Container{c}, Volumes: []corev1.Volume{
		claim("data", false), claim("archive", false), claim("old", true),
		{Name: "conf", VolumeSource: corev1.VolumeSource{ConfigMap: &corev1.ConfigMapVolumeSource{}}},
		{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}},
	}}
}

func TestBlameLogs(t *testing.T) {
	t.Parallel()
	hardened := podWith(nil)
	open := podWith(func(c *corev1.Container) { c.SecurityContext = nil })
	root := podWith(func(c *corev1.Container) { c.SecurityContext.RunAsUser = ptr.To(int64(0)) })
	able := podWith(func(c *corev1.Container) {
		c.SecurityContext.RunAsUser = ptr.To(int64(0))
		c.SecurityContext.Capabilities.Add = []corev1.Capability{"NET_BIND_SERVICE"}
	})
	inApp := podWith(func(c *corev1.Container) { c.Command = []string{"/app/web"} })
	for _, test := range []struct {
		line    string
		spec    *corev1.PodSpec
		field   string
		message string
		hint    string
		not     string // in the hint
	}{
		{"open /var/lib/app/db: read-only file system", hardened, "security", "it writes to /var/lib/app/db, which is read-only", `mount: "/var/lib/app"`, ""},
		{`nginx: [emerg] mkdir() "/var/cache/nginx/client_temp" failed (30: Read-only file system)`, hardened, "security", "it writes to /var/cache/nginx/client_temp", `mount: "/var/cache/nginx"`, ""},
		{"OSError: [Errno 30] Read-only file system: '/app/x.log'", hardened, "security", "it writes to /app/x.log", `mount: "/app"`, ""},
		{"OSError: [Errno 30] Read-only file system: '/app/x.log'", inApp, "security", "it writes to /app/x.log", "a folder of its own", `"/app"`},
		{"Error: EROFS: read-only file system, open '/app/.cache/y'", hardened, "security", "it writes to /app/.cache/y", "readOnlyRootFilesystem: false", ""},
		{"mkdir /cache: read-only file system", hardened, "security", "it writes to /cache", `mount: "/cache"`, ""},
		{"open /web.log: read-only file system", hardened, "security", "it writes to /web.log", "a folder of its own", `"/data"`},
		{"Read-only file system", hardened, "security", "it writes to its root file system, which is read-only", "emptyDir", `"/data"`},
		{"open /srv/x: read-only file system", open, "command", "", "", ""},

		{"open /archive/db: read-only file system", hardened, "volumes.archive", "on a volume that is mounted with readOnly", "readOnly: true of volume archive", "emptyDir"},
		{"open /data/old/db: read-only file system", hardened, "volumes.old", "on a volume that is mounted with readOnly", "readOnly: true of volume old", "emptyDir"},
		{"open /data/db: read-only file system", hardened, "volumes.data", "the volume itself is read-only", "storage", "emptyDir"},
		{"open /data/db: read-only file system", open, "volumes.data", "the volume itself is read-only", "storage", "emptyDir"},
		{"open /etc/web/conf.yaml: read-only file system", hardened, "volumes.conf", "its configuration is mounted", "somewhere else", `"/etc/web"`},
		{"open /data/db: permission denied", hardened, "volumes.data", "it is denied /data/db", "fsGroup", "emptyDir"},
		{"initdb: could not change permissions of directory \"/data\": Permission denied", hardened, "volumes.data", "it is denied /data", "runAsUser", "emptyDir"},
		{"open /etc/web/key: permission denied", hardened, "volumes.conf", "it is denied /etc/web/key", "mode", "emptyDir"},
		{"open /tmp/x: permission denied", hardened, "volumes.tmp", "it is denied /tmp/x", "one user", "emptyDir"},
		{"open /database/x: permission denied", hardened, "security", "it is denied /database/x", "runAsUser", `"/data"`},
		{"exec /app/run.sh: permission denied", hardened, "security", "it is denied /app/run.sh", "chmod", "emptyDir"},
		{"open /x: permission denied", hardened, "security", "it is denied /x", "runAsUser", `"/data"`},

		{"nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)", hardened, "ports", "it may not listen on port 80", "above 1023", "NET_BIND"},
		{"nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)", root, "ports", "it may not listen on port 80", "NET_BIND_SERVICE", ""},
		{"nginx: [emerg] bind() to 0.0.0.0:80 failed (13: Permission denied)", able, "ports", "it may not listen on port 80", "above 1023", "NET_BIND"},
		{"listen tcp :443: bind: permission denied", hardened, "ports", "port 443", "above 1023", ""},
		{"13:56:39 listen tcp :80: bind: permission denied", hardened, "ports", "listen on port 80", "above 1023", ""},
		{"2026-11-30T13:56:39.123Z listen tcp :443: bind: permission denied", hardened, "ports", "listen on port 443", "above 1023", ""},
		{"13:56 listen tcp [::]:443: bind: permission denied", hardened, "ports", "listen on port 443", "above 1023", ""},
		{`time="13:56:39" msg="listen tcp :443: bind: permission denied"`, hardened, "ports", "listen on port 443", "above 1023", ""},
		{"main.go:56: listen tcp :80: bind: permission denied", hardened, "ports", "listen on port 80", "above 1023", ""},
		{"listen tcp :80: bind: permission denied (main.go:56)", hardened, "ports", "listen on port 80", "above 1023", ""},
		{"13:56:39 bind: permission denied", hardened, "command", "", "", ""},
		{"login failed: permission denied for user x", hardened, "command", "", "", ""},
		{"panic: nothing of the sort", hardened, "command", "", "", ""},
	} {
		d := &Diagnosis{Code: CodeCrashLoop, Container: "web", Field: "command", Message: "the process exited with code 1", Logs: []string{"starting", test.line, "exiting"}}
		BlameLogs(d, test.spec)
		if d.Field != test.field || !strings.Contains(d.Message, test.message) || !strings.Contains(d.Hint, test.hint) || (test.hint == "") != (d.Hint == "") {
			t.Errorf("%q: got %+v", test.line, d)
		}
		if test.not != "" && strings.Contains(d.Hint, test.not) {
			t.Errorf("%q: hint %q has %s", test.line, d.Hint, test.not)
		}
	}
}
