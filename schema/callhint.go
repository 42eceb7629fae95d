package schema

import (
	"cmp"
	"fmt"
	"net"
	"regexp"
	"strings"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/language"
	"github.com/shipit-dev/shipit/schema/rule"
)

// referredService is a value that is a reference to a service.
var referredService = regexp.MustCompile(`^services(?:\.(\w+)|\["([^"]+)"\])[ \t]*([,}\n/]|$)`)

// serviceItself tells of a service where only its name is meant, and reports whether it
// is that.
func (c *checker) serviceItself(n *node, f *language.Field) bool {
	set := len(f.Shape.Patterns) == 1 && (f.Shape.Patterns[0].Must == "{}" || f.Shape.Patterns[0].Shape.Definition == "#Call")
	if n.kind != cue.StructKind || n.get("image") == nil && n.get("build") == nil || !set && f.Must != "{}" && f.Shape.Definition != "#Call" {
		return false
	}
	m := referredService.FindStringSubmatch(c.loc.project.from(c.loc.written[n.path]))
	if m == nil {
		return false
	}
	n.bad = true
	name := label(m[1] + m[2])
	hint := fmt.Sprintf("write %s: {}", name)
	switch {
	case set:
		hint = fmt.Sprintf("write %s: {%s: {}}", n.name, name)
	case f.Shape.Definition == "#Call" && name != label(n.name):
		hint = fmt.Sprintf("write %s: service: %q", label(n.name), m[1]+m[2])
	}
	c.wrong(n, rule.WrongValue, fmt.Sprintf("%s is all that services.%s is, where its name is enough", n.path, name), "", hint)
	return true
}

// callHint helps with a text or a number in place of what is called.
func callHint(n *node) string {
	name := label(n.name)
	if n.kind == cue.IntKind {
		return fmt.Sprintf(`write %s: {host: "…", port: %s}, or without host and port for a service of the app`, name, n.text)
	}
	scheme, rest, found := strings.Cut(n.text, "://")
	if !found {
		scheme, rest = "", n.text
	}
	if _, _, err := net.ParseCIDR(rest); err == nil {
		return fmt.Sprintf("write %s: {cidr: %q, port: 443}, with its port", name, rest)
	}
	rest, _, _ = strings.Cut(rest, "/")
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	host, port, hasPort := strings.Cut(rest, ":")
	if port == "" {
		port = cmp.Or(map[string]string{"http": "80"}[scheme], "443")
	}
	switch {
	case !wholeNumber.MatchString(port):
		return ""
	case net.ParseIP(host).To4() != nil:
		return fmt.Sprintf("write %s: {cidr: %q, port: %s}", name, host+"/32", port)
	case validName(host) && !found && host == n.name:
		return fmt.Sprintf("write %s: {}", name)
	case validName(host):
		return fmt.Sprintf("write %s: service: %q", name, host)
	case !hostName.MatchString(host):
		return ""
	case !hasPort && !found:
		return fmt.Sprintf("write %s: {host: %q, port: 443}, with its port", name, host)
	}
	return fmt.Sprintf("write %s: {host: %q, port: %s}", name, host, port)
}

var hostName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)+$`)
