package schema

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/language"
)

// foreignValue helps with a value that is written as Compose, Helm or Kubernetes
// have it; "" is none of theirs.
func foreignValue(n *node, f *language.Field) string {
	switch {
	case f.Shape.Definition == "#Volume" && n.kind == cue.StringKind:
		return "write " + mountOf(n.name, n.text)
	case f.Shape.Definition == "#Call" && n.kind&(cue.StringKind|cue.IntKind) != 0:
		return callHint(n)
	case f.Shape.Definition == "#EmptyDir":
		return emptyDirHint(n)
	case f.Shape.Definition == "#Config" && n.kind == cue.StringKind:
		return fmt.Sprintf("a config is a set of keys: write app: %s: …", label(n.name))
	case f.Shape.Definition == "#ConfigFile" && n.kind == cue.StructKind:
		return `write a text: yaml.Marshal({…}), with import "encoding/yaml", or json.Marshal({…}) with "encoding/json"`
	case strings.HasPrefix(f.Must, "a port number") && n.kind == cue.StringKind:
		return portHint(n)
	case strings.Contains(f.Must, "of seconds"):
		return secondsHint(n)
	case strings.HasPrefix(f.Must, "a duration"):
		return durationHint(n)
	case strings.HasPrefix(f.Must, "a list of strings") && n.kind == cue.StructKind && n.get("command").is(cue.ListKind):
		return fmt.Sprintf("write %s: […], without command", n.name)
	case strings.HasPrefix(f.Must, "a name in ") && strings.Contains(f.Must, " a key of it") && n.kind == cue.StringKind:
		if set, key, ok := strings.Cut(n.text, "."); ok && validName(set) && dataKey.MatchString(key) {
			return fmt.Sprintf("write %q", set+"/"+key)
		}
		return fmt.Sprintf(`write both: "NAME/%s"`, cmpWord(n.text, "KEY"))
	case strings.HasPrefix(f.Must, "a name in ") && strings.Contains(f.Must, " a key of it") && n.get("name").str() != "":
		name, key := nameAndKey(n)
		return fmt.Sprintf("write %q", name+"/"+key)
	case n.kind != cue.ListKind || len(n.items) == 0:
		return ""
	}
	switch f.Name {
	case "ports":
		return portsHint(n)
	case "env":
		return envHint(n)
	case "volumes":
		return volumesHint(n)
	case "envFrom":
		return "write envFrom: {config: NAME: {}, secrets: NAME: {}}, with the names of the service's configs and secrets"
	}
	if names := namesOf(n); len(names) > 0 && len(f.Shape.Patterns) > 0 {
		return fmt.Sprintf("write %s: {%s: {…}}, with a field for each", f.Name, strings.Join(names, ": {…}, "))
	}
	return ""
}

// cmpWord gives a word where it could be the key of a set, else another.
func cmpWord(text, other string) string {
	if dataKey.MatchString(text) {
		return text
	}
	return other
}

var dataKey = regexp.MustCompile(`^[-._a-zA-Z0-9]{1,60}$`)

// label writes the name of a field as CUE wants it.
func label(name string) string {
	if unquotedLabel.MatchString(name) {
		return name
	}
	return strconv.Quote(name)
}

var unquotedLabel = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_]*$`)

// namesOf gives the names that the items of a list say they have, when all do.
func namesOf(n *node) []string {
	var names []string
	for _, item := range n.items {
		name := item.get("name").str()
		if name == "" {
			return nil
		}
		if name = label(name); !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// published is a port as Compose publishes it: "8080:80", "127.0.0.1:53:53/udp".
var published = regexp.MustCompile(`^(?:[0-9.]*:)?(?:[0-9]+:)?([0-9]{1,5})(?:/(tcp|udp|sctp))?$`)

// portHint helps with a port as Compose publishes it.
func portHint(n *node) string {
	m := published.FindStringSubmatch(n.text)
	switch {
	case m == nil:
		return ""
	case m[2] != "" && m[2] != "tcp":
		return fmt.Sprintf("write {port: %s, protocol: %q}", m[1], strings.ToUpper(m[2]))
	case m[1] == n.text:
		return "write " + m[1]
	}
	return fmt.Sprintf("write %s, where the container listens: from outside it is reached through expose", m[1])
}

// portsHint helps with a list of ports.
func portsHint(n *node) string {
	var fields []string
	for i, item := range n.items {
		name, value := item.get("name").str(), ""
		switch {
		case item.is(cue.IntKind):
			value = item.text
		case item.is(cue.StringKind):
			if m := published.FindStringSubmatch(item.text); m != nil {
				value = m[1]
				if m[2] != "" && m[2] != "tcp" {
					value = fmt.Sprintf("{port: %s, protocol: %q}", m[1], strings.ToUpper(m[2]))
				}
			}
		default:
			value = portOf(item)
		}
		if value == "" {
			return ""
		}
		name = listedPort(name, i)
		fields = append(fields, label(name)+": "+value)
	}
	if len(fields) == 1 {
		return "write ports: " + fields[0]
	}
	return fmt.Sprintf("write ports: {%s}, with names of your choice", strings.Join(fields, ", "))
}

// portOf gives a port of a pod or a Service as it is written here, or "".
func portOf(n *node) string {
	port, service := n.get("containerPort"), n.get("servicePort")
	switch target := n.get("targetPort"); {
	case port != nil:
	case target.has(cue.IntKind):
		port, service = target, n.get("port")
	default:
		port = n.get("port")
	}
	if !port.has(cue.IntKind) {
		return ""
	}
	parts := []string{"port: " + port.text}
	if service.has(cue.IntKind) && service.text != port.text {
		parts = append(parts, "service: "+service.text)
	}
	if p := n.get("protocol"); p.has(cue.StringKind) && p.text != "TCP" {
		parts = append(parts, fmt.Sprintf("protocol: %q", p.text))
	}
	if len(parts) == 1 {
		return port.text
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// has is is, for what was refused too.
func (n *node) has(k cue.Kind) bool { return n != nil && n.kind&k != 0 }

// envHint helps with a list of variables. Their values are not repeated: among
// them may be secrets.
func envHint(n *node) string {
	names := namesOf(n)
	if names == nil {
		for _, item := range n.items {
			name, _, ok := strings.Cut(item.str(), "=")
			if !ok || !unquotedLabel.MatchString(name) {
				return ""
			}
			names = append(names, name)
		}
	}
	return fmt.Sprintf(`write env: {%s: "…"}, with a field for each`, strings.Join(names, `: "…", `))
}

// volumesHint helps with a list of volumes, or of what is mounted.
func volumesHint(n *node) string {
	var fields []string
	for _, item := range n.items {
		switch name := item.get("name").str(); {
		case item.is(cue.StringKind):
			from, _, _ := strings.Cut(item.text, ":")
			name = nameFrom(path.Base(from))
			fields = append(fields, label(name)+": "+mountOf("", item.text))
		case name != "" && item.get("mountPath").str() != "":
			fields = append(fields, fmt.Sprintf(`%s: {size: "1Gi", mount: %q}`, label(name), item.get("mountPath").text))
		case name != "":
			fields = append(fields, label(name)+": {…}")
		default:
			return ""
		}
	}
	return fmt.Sprintf(`write volumes: {%s}: size is for what stays, and emptyDir: {} in its place for what may go with the pod`, strings.Join(fields, ", "))
}

// mountOf writes a volume of Compose, "data:/data:ro", as it is said here.
func mountOf(name, text string) string {
	at, readOnly := "/data", ""
	for _, part := range strings.Split(text, ":") {
		if strings.HasPrefix(part, "/") && len(part) > 1 {
			at = part
		}
		if part == "ro" {
			readOnly = ", readOnly: true"
		}
	}
	written := fmt.Sprintf(`{size: "1Gi", mount: %q%s}`, at, readOnly)
	if name == "" {
		return written
	}
	return fmt.Sprintf(`%s: %s, or emptyDir: {} in place of size`, label(name), written)
}

// emptyDirHint helps with an emptyDir that is no struct.
func emptyDirHint(n *node) string {
	switch {
	case n.kind == cue.BoolKind && n.text == "false":
		return "leave it out"
	case n.kind == cue.StringKind && strings.EqualFold(n.text, "memory"):
		return "write emptyDir: memory: true"
	case n.kind == cue.StringKind && amount.MatchString(n.text):
		return fmt.Sprintf("write emptyDir: sizeLimit: %q", n.text)
	}
	return "write emptyDir: {}"
}

var spokenTime = regexp.MustCompile(`(?i)^\s*([0-9]+)\s*(s|secs?|seconds?|m|mins?|minutes?|h|hours?|d|days?)\s*$`)

// spoken gives a duration as people write it, or false.
func spoken(text string) (time.Duration, bool) {
	if d, err := time.ParseDuration(text); err == nil {
		return d, d >= 0
	}
	m := spokenTime.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	n, err := strconv.Atoi(m[1])
	if err != nil || n > 1e6 {
		return 0, false
	}
	unit := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}
	return time.Duration(n) * unit[strings.ToLower(m[2])[0]], true
}

// secondsHint helps with a duration where a number of seconds is wanted.
func secondsHint(n *node) string {
	if n.kind != cue.StringKind {
		return ""
	}
	d, ok := spoken(n.text)
	if !ok {
		return ""
	}
	if d%time.Second != 0 {
		return "write whole seconds: 1"
	}
	return fmt.Sprintf("write seconds, without a unit: %d", d/time.Second)
}

// durationHint helps with a number where a duration is wanted.
func durationHint(n *node) string {
	if n.kind == cue.IntKind || n.kind == cue.StringKind && wholeNumber.MatchString(n.text) {
		return fmt.Sprintf("write the unit: %q", n.text+"s")
	}
	d, ok := spoken(n.text)
	switch {
	case n.kind != cue.StringKind || !ok || d%time.Second != 0:
		return ""
	case d%time.Hour == 0 && d > 0:
		return fmt.Sprintf("write %q", fmt.Sprintf("%dh", d/time.Hour))
	case d%time.Minute == 0 && d > 0:
		return fmt.Sprintf("write %q", fmt.Sprintf("%dm", d/time.Minute))
	}
	return fmt.Sprintf("write %q", fmt.Sprintf("%ds", d/time.Second))
}

var wholeNumber = regexp.MustCompile(`^[0-9]{1,6}$`)

// listedPort names the port at place i of a list, which need not have a name there.
func listedPort(name string, i int) string {
	switch {
	case name != "":
		return name
	case i == 0:
		return "http"
	}
	return fmt.Sprintf("port%d", i+1)
}
