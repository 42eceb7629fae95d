package health

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
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
	makesSaid    = regexp.MustCompile(`(?i)\bmkdir|\bmakedirs|creat\w* (the )?(directory|folder)`)
	runsSaid     = regexp.MustCompile(`(?i)\bexec|can't execute|cannot execute|spawn `)
	lowPortSaid  = regexp.MustCompile(`:([1-9][0-9]{0,2}|10[01][0-9]|102[0-3])\b`)
	pathSaid     = regexp.MustCompile(`(?:^|[\s"'=(\[` + "`" + `])(/[^\s"'` + "`" + `:,;()\[\]]+)`)
	// timeOfDay is in no line a port: 13:56:39, 13:56:39.123Z, 13:56+01:00.
	timeOfDay = regexp.MustCompile(`(^|[\sT\[("'=])\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?(Z|[+-]\d{2}:?\d{2})?(\s|$|[\]),;"'])`)
)

// BlameLogs finds in the last lines of a container, which d has, why it ended, when
// that is what its security keeps it from. It completes the message, and names what to
// write: never what would take the place of what keeps data.
func BlameLogs(d *Diagnosis, spec *corev1.PodSpec) {
	if d.Hint != "" || !slices.Contains([]Code{CodeCrashLoop, CodeJobFailed, CodeProbeFailing}, d.Code) {
		return
	}
	c, _ := probeOf(spec, d.Container, "")
	for _, line := range slices.Backward(d.Logs) {
		at := pathIn(line)
		switch {
		case readOnlySaid.MatchString(line) && blameReadOnly(d, spec, c, line, at):
			return
		case deniedSaid.MatchString(line) && bindSaid.MatchString(line) && lowPort(line, c) != "":
			blamePort(d, spec, c, lowPort(line, c))
			return
		case deniedSaid.MatchString(line) && at != "":
			blameDenied(d, spec, c, line, at)
			return
		case blameHost(d, c, line):
			return
		}
	}
	if d.Code != CodeProbeFailing {
		blameVariable(d, c)
	}
}

// blameReadOnly is of a write to what is read-only. It returns whether that is so by
// what the pod says.
func blameReadOnly(d *Diagnosis, spec *corev1.PodSpec, c corev1.Container, line, at string) bool {
	if m := mountOf(c, at); m != nil {
		v := volumeNamed(spec, m.Name)
		d.Field = "volumes." + m.Name
		switch {
		case v.ConfigMap != nil || v.Secret != nil || v.Projected != nil || v.DownwardAPI != nil:
			d.Message += fmt.Sprintf("; it writes to %s, where its configuration is mounted, which is always read-only", at)
			d.Hint = "let it write somewhere else, and mount a volume there: volumes: work: {mount: \"/work\", emptyDir: {}}"
		case m.ReadOnly || v.PersistentVolumeClaim != nil && v.PersistentVolumeClaim.ReadOnly:
			d.Message += fmt.Sprintf("; it writes to %s, on a volume that is mounted with readOnly", at)
			d.Hint = fmt.Sprintf("take out readOnly: true of volume %s (or of the mount, of a sidecar), or let it write somewhere else", m.Name)
		default:
			d.Message += fmt.Sprintf("; it writes to %s, and the volume itself is read-only", at)
			d.Hint = "its storage lets nobody write, or was made read-only after an error of the disk: whoever keeps it knows; shipit changes nothing of it"
		}
		return true
	}
	if c.SecurityContext == nil || !ptr.Deref(c.SecurityContext.ReadOnlyRootFilesystem, false) {
		return false
	}
	d.Field = "security"
	if at == "" {
		d.Message += "; it writes to its root file system, which is read-only"
	} else {
		d.Message += fmt.Sprintf("; it writes to %s, which is read-only", at)
	}
	d.Hint = newFolder(c, folderOf(line, at))
	return true
}

// newFolder is how a container gets a folder to write to.
func newFolder(c corev1.Container, folder string) string {
	if folder == "" || inUse(c, folder) {
		// A volume would hide what the container runs, or there is none to mount it over.
		return "let it write to a folder of its own, and mount a volume there: volumes: cache: {mount: \"/cache\", emptyDir: {}}; or, as a user who may, let it write anywhere: security: readOnlyRootFilesystem: false"
	}
	return fmt.Sprintf("mount a volume where it writes, if the image has nothing there that it needs: volumes: cache: {mount: %q, emptyDir: {}}; or, as a user who may, let it write anywhere: security: readOnlyRootFilesystem: false", folder)
}

// inUse reports whether something mounted at folder would hide what is known to be
// needed: the program, where it runs, or another volume.
func inUse(c corev1.Container, folder string) bool {
	for _, needed := range slices.Concat(c.Command, c.Args, []string{c.WorkingDir}) {
		if below(needed, folder) {
			return true
		}
	}
	return false
}

// below reports whether a path is that of the folder, or in it.
func below(at, folder string) bool {
	return at == folder || strings.HasPrefix(at, strings.TrimSuffix(folder, "/")+"/")
}

// blamePort is of a port that only root may listen on.
func blamePort(d *Diagnosis, spec *corev1.PodSpec, c corev1.Container, port string) {
	d.Field = "ports"
	d.Message += "; it may not listen on port " + port
	d.Hint = "let it listen on a port above 1023, and write that one under ports: services that call it ask for it by its name"
	if asRoot(spec, c) && !adds(c, "NET_BIND_SERVICE") {
		d.Hint += "; or let root have it: security: capabilities: add: [\"NET_BIND_SERVICE\"]"
	}
}

// asRoot reports whether the container runs as root by what the pod says: capabilities
// that are added are for no other user.
func asRoot(spec *corev1.PodSpec, c corev1.Container) bool {
	if c.SecurityContext != nil && c.SecurityContext.RunAsUser != nil {
		return *c.SecurityContext.RunAsUser == 0
	}
	return spec.SecurityContext != nil && spec.SecurityContext.RunAsUser != nil && *spec.SecurityContext.RunAsUser == 0
}

func adds(c corev1.Container, capability corev1.Capability) bool {
	return c.SecurityContext != nil && c.SecurityContext.Capabilities != nil && slices.Contains(c.SecurityContext.Capabilities.Add, capability)
}

// lowPort is the port below 1024 that a line names, "" when it names none. One that
// the container has is meant before another number.
func lowPort(line string, c corev1.Container) string {
	line = timeOfDay.ReplaceAllString(line, "$1 $5")
	last := ""
	for _, m := range lowPortSaid.FindAllStringSubmatch(line, -1) {
		last = m[1]
		n, _ := strconv.Atoi(last)
		if slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.ContainerPort == int32(n) }) {
			break
		}
	}
	return last
}

// blameDenied is of a file that the container's user may not use.
func blameDenied(d *Diagnosis, spec *corev1.PodSpec, c corev1.Container, line, at string) {
	d.Field = "security"
	d.Message += fmt.Sprintf("; it is denied %s", at)
	const asItsUser = "run it as the user that its image is made for, with security: runAsUser"
	m := mountOf(c, at)
	if m != nil {
		v := volumeNamed(spec, m.Name)
		d.Field = "volumes." + m.Name
		switch {
		case v.ConfigMap != nil || v.Secret != nil || v.Projected != nil:
			d.Hint = fmt.Sprintf("let its group read what is mounted there: take out the mode of volume %s, or write mode: 0o440", m.Name)
		case v.EmptyDir != nil:
			d.Hint = "let all containers that use the volume run as one user, with security: runAsUser"
		default:
			d.Hint = fmt.Sprintf("run it as who owns what is on volume %s, with security: runAsUser, or as one of the group that may write there, with security: fsGroup; nothing on it is lost", m.Name)
		}
		return
	}
	folder := folderOf(line, at)
	switch {
	case runsSaid.MatchString(line):
		d.Hint = "make the file one that its user may run, in the image (chmod 755), or " + asItsUser
	case folder == "" || inUse(c, folder):
		d.Hint = asItsUser + ", or let it write to a folder of its own, and mount a volume there: volumes: work: {mount: \"/work\", emptyDir: {}}"
	default:
		d.Hint = fmt.Sprintf("%s; or, if it writes there and the image has nothing there that it needs, mount a volume, which its group may write to: volumes: data: {mount: %q, emptyDir: {}}", asItsUser, folder)
	}
}

// mountOf is the mount that a path is on; nil when that is the image.
func mountOf(c corev1.Container, at string) *corev1.VolumeMount {
	var found *corev1.VolumeMount
	for i, m := range c.VolumeMounts {
		if at != "" && below(path.Clean(at), path.Clean(m.MountPath)) && (found == nil || len(m.MountPath) > len(found.MountPath)) {
			found = &c.VolumeMounts[i]
		}
	}
	return found
}

func volumeNamed(spec *corev1.PodSpec, name string) corev1.VolumeSource {
	for _, v := range spec.Volumes {
		if v.Name == name {
			return v.VolumeSource
		}
	}
	// A StatefulSet's own claim has its volume in the pod; what is unknown may keep data.
	return corev1.VolumeSource{}
}

// pathIn is the first path that a line names, or "".
func pathIn(line string) string {
	m := pathSaid.FindStringSubmatch(line)
	if m == nil {
		return ""
	}
	return strings.TrimRight(m[1], ".")
}

// folderOf is the folder that is wanted for writing, as far as a line tells: that of
// the file, or the one to be made. "" is none that a volume could be mounted over.
func folderOf(line, at string) string {
	if at == "" {
		return ""
	}
	if folder := path.Dir(path.Clean(at)); folder != "/" {
		return folder
	}
	if makesSaid.MatchString(line) && path.Clean(at) != "/" {
		return path.Clean(at)
	}
	return ""
}
