package health

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// hostSaid is how programs say that a host's name is none: Go, Node, libpq, Java.
var hostSaid = regexp.MustCompile(`lookup (\S+?)(?: on \S+)?: no such host|ENOTFOUND (\S+)|could not translate host name "([^"]+)"|UnknownHostException: ([^\s:]+)`)

// blameHost is of a host that has no address. The variable that names it is to blame.
func blameHost(d *Diagnosis, c corev1.Container, line string) bool {
	m := hostSaid.FindStringSubmatch(line)
	if m == nil {
		return false
	}
	host := strings.Join(m[1:], "")
	d.Message += fmt.Sprintf("; its log says that there is no host %s", host)
	for _, v := range c.Env {
		if regexp.MustCompile(`(^|[^\w.-])` + regexp.QuoteMeta(host) + `($|[^\w.-])`).MatchString(v.Value) {
			d.Field = "env." + v.Name
			break
		}
	}
	return true
}

// wrongSaid is of lines that say what was wrong.
var wrongSaid = regexp.MustCompile(`(?i)\b(fatal|error|panic|fail\w*|must|missing|required?|invalid|unset|empty|cannot|not)\b`)

// blameVariable finds the variable of the container that its log says is wrong, in the
// last line that does.
func blameVariable(d *Diagnosis, c corev1.Container) {
	for _, line := range slices.Backward(d.Logs) {
		if !wrongSaid.MatchString(line) {
			continue
		}
		for _, v := range c.Env {
			if len(v.Name) > 2 && regexp.MustCompile(`(^|\W)`+regexp.QuoteMeta(v.Name)+`($|\W)`).MatchString(line) {
				d.Field = "env." + v.Name
				d.Message += "; its log names " + v.Name
				return
			}
		}
	}
}

// sayLimit says which limit a container had that used more memory.
func sayLimit(d *Diagnosis, c corev1.Container) {
	limit, ok := c.Resources.Limits[corev1.ResourceMemory]
	if d.Code != CodeOOMKilled || !ok {
		return
	}
	d.Message += " of " + limit.String()
	d.Hint += " above " + limit.String()
}
