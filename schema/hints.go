package schema

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
)

// example is what a missing field could look like.
func example(f *field) string {
	switch f.name {
	case "name":
		return `name: "shop"`
	case "services":
		return `services: web: image: "nginx:1.29"`
	case "path":
		return `path: "/healthz"`
	case "port":
		if strings.Contains(f.must, "name") {
			return `port: "http"`
		}
		return "port: 8080"
	}
	return f.name + ": …"
}

// rename proposes a name that would do in place of one that does not.
func rename(name, must string) string {
	better := nameFrom(name)
	if !strings.Contains(must, "of a-z, 0-9") || better == "app" || len(better) > 15 && strings.Contains(must, "15") {
		return ""
	}
	return fmt.Sprintf("%q would do", better)
}

// valueHint helps with what is often written instead of a value.
func valueHint(n *node, f *field) string {
	if n.kind == cue.FloatKind {
		if x, err := strconv.ParseFloat(n.text, 64); err == nil && x == math.Trunc(x) && math.Abs(x) < 1e9 {
			return fmt.Sprintf("write %.0f", x)
		}
	}
	if n.kind != cue.StringKind {
		return ""
	}
	switch {
	case strings.Contains(n.text, "://") && (f.name == "image" || f.name == "registry"):
		_, rest, _ := strings.Cut(n.text, "://")
		return fmt.Sprintf("write it without the scheme: %q", rest)
	case f.name == "image" && n.text != strings.ToLower(n.text):
		return "an image's path is in lower case, and a digest is sha256: and 64 hexadecimal digits"
	case f.name == "image" && strings.Contains(n.text, "@"):
		return "a digest is sha256: and 64 hexadecimal digits"
	case f.name == "go" && !strings.HasPrefix(n.text, "."):
		return fmt.Sprintf("write %q", "./"+strings.TrimPrefix(n.text, "/"))
	case strings.Contains(f.must, "starts with /") && !strings.Contains(n.text, " "):
		return fmt.Sprintf("write %q", "/"+n.text)
	case strings.HasPrefix(f.must, "a DNS label"):
		return fmt.Sprintf("%q would do", nameFrom(n.text))
	case strings.HasPrefix(f.must, `"`): // one of several words
		if near := nearestName(n.text, strings.FieldsFunc(f.must, func(r rune) bool {
			return r < 'A' || r > 'Z'
		})); near != "" {
			return fmt.Sprintf("did you mean %q?", near)
		}
	case n.text == "true" || n.text == "false":
		return "write " + n.text
	}
	return ""
}
