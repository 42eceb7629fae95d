package schema

import (
	"fmt"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/language"
)

// sources are the fields that say where a secret comes from.
var sources = map[string]bool{"env": true, "file": true, "sops": true, "existing": true, "external": true}

// foreignField helps with a field that a struct does not have, by what is in it;
// "" is none that is known.
func foreignField(parent, n *node) string {
	switch n.name {
	case "value":
		if n.has(cue.StringKind) && strings.Contains(parent.path, ".env.") {
			return fmt.Sprintf("write the text itself: %s: %q", label(parent.name), n.text)
		}
	case "valueFrom":
		return valueFromHint(parent.name, n)
	case "targetPort", "containerPort":
		if port := portOf(parent); port != "" && strings.Contains(parent.path, ".ports.") {
			return fmt.Sprintf("write %s: %s", label(parent.name), port)
		}
	case "httpGet":
		path := n.get("path").str()
		if path == "" {
			path = "/"
		}
		if port := n.get("port"); port.has(cue.StringKind) {
			return fmt.Sprintf("write http: {path: %q, port: %q}", path, port.text)
		}
		return fmt.Sprintf("write http: %q, or http: {path: %q, port: \"http\"} with the name of one of the service's ports", path, path)
	case "tcpSocket":
		return `write tcp: "http", with the name of one of the service's ports`
	}
	return ""
}

// inService helps with a field of a service that stands in the App, or in an
// environment, as values of a chart do; "" is none that is.
func inService(service *language.Shape, name string) string {
	switch meant, write := service.Meant(name); {
	case meant == nil:
		return ""
	case write == "":
		return fmt.Sprintf("write it in a service: services: NAME: %s: …", meant.Name)
	case strings.HasPrefix(write, "nothing"), strings.HasPrefix(write, "what "):
		return "write " + write
	default:
		return "write it in a service: services: NAME: " + write
	}
}

// valueFromHint helps with a variable that comes from somewhere, as a pod has it.
func valueFromHint(variable string, n *node) string {
	variable = label(variable)
	if ref := n.get("secretKeyRef"); ref != nil {
		name, key := nameAndKey(ref)
		return fmt.Sprintf("write %s: secret: %q, and what it is beside env: secrets: %s: %s: existing: %q", variable, nameFrom(name)+"/"+key, label(nameFrom(name)), label(key), name+"/"+key)
	}
	if ref := n.get("configMapKeyRef"); ref != nil {
		name, key := nameAndKey(ref)
		return fmt.Sprintf("write %s: config: %q, and what it is beside env: config: %s: %s: \"…\"", variable, nameFrom(name)+"/"+key, label(nameFrom(name)), label(key))
	}
	if path := n.get("fieldRef").get("fieldPath"); path.is(cue.StringKind) {
		return fmt.Sprintf("write %s: field: %q", variable, path.text)
	}
	return ""
}

func nameAndKey(ref *node) (name, key string) {
	name, key = ref.get("name").str(), ref.get("key").str()
	if name == "" {
		name = "NAME"
	}
	if key == "" {
		key = "KEY"
	}
	return name, key
}

// flatSet helps with what stands where the name of a set, a call or a port should: the
// key of a set whose name is left out, a host, a number; "" is none.
func flatSet(parent, n *node) string {
	group := parent.name
	port := published.FindStringSubmatch(n.name)
	switch {
	case group == "calls" && strings.Contains(n.name, "."):
		return fmt.Sprintf("write a name of your choice, and what it is: %s: {host: %q, port: 443}", nameFrom(strings.Split(n.name, ".")[0]), n.name)
	case group == "ports" && port != nil && port[2] != "" && port[2] != "tcp":
		return fmt.Sprintf("write a name of your choice: main: {port: %s, protocol: %q}", port[1], strings.ToUpper(port[2]))
	case group == "ports" && port != nil && n.has(cue.IntKind):
		return "write a name of your choice: http: " + n.text
	case group == "config" && n.has(cue.StringKind|cue.NumberKind|cue.BoolKind):
		return fmt.Sprintf("a config is a set of keys: write config: app: %s: …", label(n.name))
	case group == "config" && n.has(cue.StructKind) && len(n.fields) == 1 && n.get("file").str() != "":
		return fmt.Sprintf("a config is a set of keys: write config: app: %s: file: %q", label(n.name), n.get("file").text)
	case group == "secrets" && n.kind == cue.StructKind && len(n.fields) == 1 && sources[n.fields[0].name] && n.fields[0].kind != cue.StructKind:
		return flatSecret("app", n.name, n.fields[0].name)
	case group == "secrets" && n.has(cue.StructKind|cue.StringKind):
		return flatSecret("app", n.name, "env")
	}
	return ""
}

// secretHint helps with a secret that is not what it must be, without a word of
// what it is.
func secretHint(n *node, f *language.Field) string {
	set := n.path[:max(strings.LastIndexByte(n.path, '.'), 0)]
	set = set[strings.LastIndexByte(set, '.')+1:]
	switch {
	case f.Shape.Definition == "#Secret":
		return fmt.Sprintf(`a secret is a set of keys, each of which says where it comes from: write %s: password: env: "VARIABLE"`, label(n.name))
	case f.Shape.Definition == "#SecretSource" && sources[n.name]:
		return flatSecret(set, "password", n.name)
	case f.Shape.Definition == "#SecretSource":
		return fmt.Sprintf(`write %s: env: "VARIABLE", and set that variable where shipit runs`, label(n.name))
	case f.Name == "existing":
		return `write both: "SECRET/KEY"`
	case f.Name == "env":
		return "write the name of the variable alone, of letters, digits and _"
	case f.Name == "sops":
		return `write sops: {file: "secrets/FILE", key: "NAME"}`
	case f.Name == "external":
		return `write external: {store: "STORE", key: "KEY"}`
	case f.Name == "secrets":
		return `write secrets: app: password: env: "VARIABLE"`
	case f.Name == language.AnyName:
		return `write secrets: app: password: env: "VARIABLE"`
	}
	return ""
}

// flatSecret says how a secret with one key is written. What stands in CUE is not
// repeated: it could be the secret itself.
func flatSecret(set, key, source string) string {
	say := map[string]string{"env": "VARIABLE", "file": "secrets/FILE", "existing": "SECRET/KEY"}[source]
	what := fmt.Sprintf("%s: %s", source, strconv.Quote(say))
	if say == "" {
		what = source + ": {…}"
	}
	return fmt.Sprintf("a secret is a set of keys: write secrets: %s: %s: %s, and env: NAME: secret: %q for a variable of the container",
		set, label(key), what, set+"/"+key)
}
