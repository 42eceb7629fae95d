package schema

import (
	"cmp"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/language"
)

// example is what a missing field could look like.
func example(f *language.Field) string {
	switch f.Name {
	case "name":
		return `name: "shop"`
	case "services":
		return `services: web: image: "nginx:1.29"`
	case "path":
		return `path: "/healthz"`
	case "port":
		if strings.Contains(f.Must, "name") {
			return `port: "http"`
		}
		return "port: 8080"
	case "mount":
		return `mount: "/data"`
	case "host":
		return `host: "shop.example.com"`
	case "secret":
		return `secret: "NAME"`
	case "file":
		return `file: "conf/app.yaml"`
	}
	return f.Name + ": …"
}

// structHint says what the struct that a field must be has in it.
func structHint(f *language.Field, path string) string {
	switch {
	case f.Shape.Structs && len(f.Shape.Fields) > 0:
		return "write {…} with some of " + fieldList(f.Shape, path)
	case len(f.Shape.Patterns) > 0:
		return "write {…} with a field for each, by name"
	case f.Shape.Open:
		return "write {…} with what differs"
	}
	return ""
}

// fieldList names the fields that the struct at path may have; of very many the
// first, and where the others are told.
func fieldList(s *language.Shape, path string) string {
	const most = 16
	names := s.Names()
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more: `%s` lists them", strings.Join(names[:most], ", "), len(names)-most, strings.TrimSpace("shipit explain "+path))
}

// enough are definitions of which a name says enough.
var enough = map[string]bool{"#Call": true, "#Affinity": true, "#Spread": true, "#Route": true}

// namesHint helps with a list of names, or one name, where a struct has a field
// for each.
func namesHint(n *node, f *language.Field) string {
	if len(f.Shape.Patterns) != 1 || f.Shape.Patterns[0].Must != "{}" && !enough[f.Shape.Patterns[0].Shape.Definition] {
		return ""
	}
	items := n.items
	if n.kind == cue.StringKind {
		items = []*node{n}
	}
	var fields []string
	for _, item := range items {
		if item.kind != cue.StringKind || !validName(item.text) && !strings.HasPrefix(item.text, "/") {
			return ""
		}
		fields = append(fields, label(item.text)+": {}")
	}
	if len(fields) == 0 {
		return ""
	}
	return fmt.Sprintf("write %s: {%s}", f.Name, strings.Join(fields, ", "))
}

// instead are how fields are written that Kubernetes has as lists.
var instead = map[string]string{
	"env":          `env: {LEVEL: "debug"}, with a field for each`,
	"ports":        "ports: http: 8080",
	"services":     `services: web: {image: "nginx:1.29"}, with a field for each`,
	"environments": "environments: prod: {…}, with a field for each",
	"expose":       `expose: public: host: "shop.example.com"`,
	"volumes":      `volumes: data: {size: "1Gi", mount: "/data"}`,
	"config":       `config: app: "app.conf": "…"`,
}

// insteadHint helps with a list, or a scalar, where a struct has a field for each.
func insteadHint(n *node, f *language.Field) string {
	switch {
	case n.kind == cue.NullKind, n.kind == cue.BoolKind && n.text == "false" && !f.Shape.Scalar:
		return "leave it out"
	case f.Name == "ports" && n.kind == cue.IntKind:
		return "write ports: http: " + n.text
	case f.Name == "expose" && n.kind == cue.StringKind:
		return fmt.Sprintf("write expose: public: host: %q", n.text)
	case n.kind&(cue.ListKind|cue.StringKind) != 0 && len(f.Shape.Patterns) > 0 && instead[f.Name] != "":
		return "write " + instead[f.Name]
	case f.Name == "image" && n.kind == cue.StructKind && n.get("repository").str()+n.get("name").str() != "":
		image := cmp.Or(n.get("repository").str(), n.get("name").str())
		if tag := n.get("tag"); tag.is(cue.StringKind | cue.NumberKind) {
			image += ":" + tag.text
		}
		return fmt.Sprintf("write image: %q", image)
	}
	return ""
}

var (
	amount = regexp.MustCompile(`^\s*([0-9.]+)\s*([A-Za-z]*)\s*$`)
	units  = map[string]string{"k": "Ki", "kb": "Ki", "kib": "Ki", "mb": "Mi", "mib": "Mi", "gb": "Gi", "gib": "Gi", "tb": "Ti", "tib": "Ti", "ki": "Ki", "mi": "Mi", "gi": "Gi", "ti": "Ti"}
)

// quantityHint helps with quantities as people say them.
func quantityHint(n *node) string {
	m := amount.FindStringSubmatch(n.text)
	if m == nil {
		return ""
	}
	unit := strings.ToLower(m[2])
	switch {
	case n.name == "cpu" && strings.HasPrefix(unit, "core"), n.name == "cpu" && strings.HasSuffix(unit, "cpu"):
		return fmt.Sprintf("write %q", m[1])
	case n.name == "cpu" && strings.HasPrefix(unit, "m"):
		return fmt.Sprintf("write %q", m[1]+"m")
	case n.name != "cpu" && units[unit] != "":
		return fmt.Sprintf("write %q", m[1]+units[unit])
	}
	return ""
}

// commandHint helps with a command written as one text.
func commandHint(text string) string {
	words := strings.Fields(text)
	if len(words) == 0 {
		return ""
	}
	if strings.ContainsAny(text, `'"|&;<>$`) && words[0] != "sh" && words[0] != "bash" {
		words = []string{"sh", "-c", text}
	} else if len(words) > 2 && words[1] == "-c" {
		_, script, _ := strings.Cut(text, "-c ")
		words = []string{words[0], "-c", strings.Trim(script, `'"`)}
	}
	for i, w := range words {
		words[i] = strconv.Quote(w)
	}
	return "write [" + strings.Join(words, ", ") + "]"
}

// isSecret reports whether the value at path, or below it, could be a secret that
// somebody wrote in CUE after all: it is never shown.
func isSecret(path string) bool {
	parts := strings.Split(path, ".")
	if len(parts) > 2 && parts[0] == "environments" {
		parts = parts[2:]
	}
	return len(parts) > 2 && parts[0] == "services" && parts[2] == "secrets"
}

// octal is a mode as chmod takes it.
var octal = regexp.MustCompile(`^0*[0-7]{3}$`)

var quotedWords = regexp.MustCompile(`"([^"]+)"`)

// rename proposes a name that would do in place of one that does not.
func rename(name, must string) string {
	if strings.HasPrefix(must, "a kind") && name != "" && unquotedLabel.MatchString(name) {
		return fmt.Sprintf("write %s", strings.ToUpper(name[:1])+name[1:])
	}
	better := nameFrom(name)
	if !strings.Contains(must, "of a-z, 0-9") || better == "app" || len(better) > 15 && strings.Contains(must, "15") {
		return ""
	}
	return fmt.Sprintf("%q would do", better)
}

// valueHint helps with what is often written instead of a value.
func valueHint(n *node, f *language.Field) string {
	if n.kind == cue.FloatKind {
		if x, err := strconv.ParseFloat(n.text, 64); err == nil && x == math.Trunc(x) && math.Abs(x) < 1e9 {
			return fmt.Sprintf("write %.0f", x)
		}
	}
	if n.has(cue.IntKind) && strings.HasPrefix(f.Must, "the name of one of the service's ports") {
		return fmt.Sprintf("write the name that it has in ports: with ports: http: %s it is \"http\"", n.text)
	}
	if f.Name == "mode" && octal.MatchString(n.text) {
		return "write 0o" + strings.TrimLeft(n.text, "0")
	}
	if n.kind != cue.StringKind {
		return ""
	}
	switch {
	case f.Must == "true or false" && yamlWords[n.text] != "":
		return "write " + yamlWords[n.text]
	case n.text == "":
		return "write one, or leave it out"
	case strings.HasPrefix(f.Must, "a path") && strings.ContainsAny(n.text, "^$()|*"):
		return "a path is no pattern: write what all of them begin with, such as \"/api\""
	case f.Name == "image" && strings.HasPrefix(n.text, "."):
		return fmt.Sprintf("what is built from source is build: go: %q", n.text)
	case strings.Contains(f.Must, "list of strings"):
		return commandHint(n.text)
	case strings.HasPrefix(f.Must, "a quantity"):
		return quantityHint(n)
	case strings.Contains(n.text, "://") && strings.Contains(f.Must, "starts with /"):
		_, rest, _ := strings.Cut(n.text, "://")
		_, path, _ := strings.Cut(rest, "/")
		return fmt.Sprintf("write the path alone: %q", "/"+path)
	case strings.Contains(n.text, "://") && (f.Name == "image" || f.Name == "registry"):
		_, rest, _ := strings.Cut(n.text, "://")
		return fmt.Sprintf("write it without the scheme: %q", rest)
	case strings.Contains(n.text, "://") && f.Name == "host":
		_, rest, _ := strings.Cut(n.text, "://")
		host, _, _ := strings.Cut(rest, "/")
		host, _, _ = strings.Cut(host, ":")
		return fmt.Sprintf("write the host alone: %q", host)
	case f.Name == "host" && address.MatchString(n.text) && strings.Contains(n.path, ".calls."):
		return fmt.Sprintf("an address is cidr: %q", n.text+"/32")
	case f.Name == "host" && strings.Contains(n.text, "/"):
		host, path, _ := strings.Cut(n.text, "/")
		return fmt.Sprintf("write host: %q, path: %q", host, "/"+path)
	case f.Name == "image" && strings.Contains(n.text, "@sha256:"):
		return "an image's path is in lower case, and a digest is sha256: and 64 hexadecimal digits"
	case f.Name == "go" && !strings.HasPrefix(n.text, "."):
		return fmt.Sprintf("write %q", "./"+strings.TrimPrefix(n.text, "/"))
	case strings.Contains(f.Must, "starts with /") && !strings.Contains(n.text, " "):
		return fmt.Sprintf("write %q", "/"+n.text)
	case strings.HasPrefix(f.Must, "a DNS label"):
		return fmt.Sprintf("%q would do", nameFrom(n.text))
	case strings.HasPrefix(f.Must, `"`): // one of several words
		var words []string
		for _, m := range quotedWords.FindAllStringSubmatch(f.Must, -1) {
			words = append(words, m[1])
		}
		if near := nearestName(n.text, words); near != "" {
			return fmt.Sprintf("did you mean %q?", near)
		}
	case n.text == "true" || n.text == "false":
		return "write " + n.text
	}
	return ""
}
