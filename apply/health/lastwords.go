package health

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// What programs say, whatever they are written in, when the system refuses them
// what the hardened defaults take away.
var (
	readOnlySaid = regexp.MustCompile(`(?i)read-only file ?system|EROFS`)
	deniedSaid   = regexp.MustCompile(`(?i)permission denied|EACCES`)
	bindSaid     = regexp.MustCompile(`(?i)\b(bind|listen)`)
	lowPortSaid  = regexp.MustCompile(`:([1-9][0-9]{0,2}|10[01][0-9]|102[0-3])\b`)
	pathSaid     = regexp.MustCompile(`(?:^|[\s"'=(\[` + "`" + `])(/[^\s"'` + "`" + `:,;()\[\]]+)`)
)

// BlameLogs finds in the last lines of a container, which d has, why it ended, when
// that is what its security keeps it from. It completes the message, and names what to
// write.
func BlameLogs(d *Diagnosis, spec *corev1.PodSpec) {
	if d.Hint != "" || !slices.Contains([]Code{CodeCrashLoop, CodeJobFailed, CodeProbeFailing}, d.Code) {
		return
	}
	readOnly := false
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		readOnly = readOnly || c.Name == d.Container && c.SecurityContext != nil && ptr.Deref(c.SecurityContext.ReadOnlyRootFilesystem, false)
	}
	for _, line := range slices.Backward(d.Logs) {
		switch {
		case readOnly && readOnlySaid.MatchString(line):
			at := cmp.Or(pathIn(line), "its root file system")
			d.Field = "security"
			d.Message += fmt.Sprintf("; it writes to %s, which is read-only", at)
			d.Hint = "mount a volume where it writes, such as volumes: cache: {mount: \"" + folderOf(at) + "\", emptyDir: {}}, or let it write anywhere with security: readOnlyRootFilesystem: false"
			return
		case deniedSaid.MatchString(line) && bindSaid.MatchString(line) && lowPortSaid.MatchString(line):
			d.Field = "ports"
			d.Message += "; it may not listen on port " + lowPortSaid.FindStringSubmatch(line)[1]
			d.Hint = "let it listen on a port above 1023, or add security: capabilities: add: [\"NET_BIND_SERVICE\"]"
			return
		case deniedSaid.MatchString(line) && pathIn(line) != "":
			at := pathIn(line)
			d.Field = "security"
			d.Message += fmt.Sprintf("; it is denied %s", at)
			d.Hint = "run it as the user that its image is made for, with security: runAsUser, or mount a volume, which its group may write to: volumes: data: {mount: \"" + folderOf(at) + "\", emptyDir: {}}"
			return
		}
	}
}

// pathIn is the first path that a line names, or "".
func pathIn(line string) string {
	m := pathSaid.FindStringSubmatch(line)
	if m == nil {
		return ""
	}
	return strings.TrimRight(m[1], ".")
}

// folderOf is the folder that a file is in, as far as a line tells.
func folderOf(file string) string {
	if i := strings.LastIndexByte(file, '/'); i > 0 {
		return file[:i]
	}
	return "/data"
}
