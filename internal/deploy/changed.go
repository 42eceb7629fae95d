package deploy

import (
	"regexp"
	"slices"
	"strings"

	"github.com/shipit-dev/shipit/schema"
)

// Place is where in the CUE something is written.
type Place struct {
	Path     string     `json:"path"` // services.web.env.LEVEL
	Position schema.Pos `json:"position"`
	Removed  bool       `json:"removed,omitempty"` // it was there before: the position is of what it was in
}

// Changed finds what in the CUE stands behind the fields of a unit's objects
// that a deploy changed, as server-side apply writes them: a release that does
// not become healthy most likely fails for one of these. Each place is named
// once, in order of position; fields that no line stands for have none.
func Changed(app *schema.App, unit string, fields []string) []Place {
	s := app.Service(unit)
	if s == nil {
		return nil
	}
	var places []Place
	for _, f := range fields {
		below := behind(s, f)
		if below == "" {
			if p, ok := removedVariable(app, s, f); ok && !slices.Contains(places, p) {
				places = append(places, p)
			}
			continue
		}
		p := Place{Path: "services." + unit + "." + below}
		p.Position = app.Position(p.Path)
		// What was taken out has no line, and is given that of what it was in.
		around := app.Position(p.Path[:strings.LastIndex(p.Path, ".")])
		if p.Position.IsValid() && p.Position != around && !slices.Contains(places, p) {
			places = append(places, p)
		}
	}
	slices.SortStableFunc(places, func(a, b Place) int { return comparePos(a.Position, b.Position) })
	return places
}

var variable = regexp.MustCompile(`\.containers\[name="([^"]+)"\]\.env\[name="([^"]+)"\]$`)

// removedVariable is a variable of the service's own container that is there no more.
func removedVariable(app *schema.App, s *schema.Service, field string) (Place, bool) {
	m := variable.FindStringSubmatch(field)
	if m == nil || m[1] != s.Name {
		return Place{}, false
	}
	p := Place{Path: "services." + s.Name + ".env." + m[2], Removed: true}
	p.Position = app.Position(p.Path)
	return p, p.Position.IsValid()
}

func comparePos(a, b schema.Pos) int {
	if c := strings.Compare(a.File, b.File); c != 0 {
		return c
	}
	if a.Line != b.Line {
		return a.Line - b.Line
	}
	return a.Column - b.Column
}

// behind returns the path below the service that gives a field of its workload.
func behind(s *schema.Service, field string) string {
	if m := regexp.MustCompile(`\.env\[name="([^"]+)"\]`).FindStringSubmatch(field); m != nil {
		return behindEnv(s, s.Env, m[1])
	}
	if m := regexp.MustCompile(`\.volumes\[name="([^"]+)"\]`).FindStringSubmatch(field); m != nil {
		return behindVolume(s, m[1])
	}
	for _, part := range []struct{ in, below string }{
		{".image", "image"},
		{".command", "command"},
		{".args", "args"},
		{".readinessProbe", "probes.readiness"},
		{".livenessProbe", "probes.liveness"},
		{".startupProbe", "probes.startup"},
		{".resources", "resources"},
		{".volumeMounts", "volumes"},
		{".volumeClaimTemplates", "volumes"},
		{".lifecycle", "lifecycle"},
		{".securityContext", "security"},
		{".ports", "ports"},
		{".replicas", "replicas"},
		{".imagePullSecrets", "pull"},
	} {
		if !strings.Contains(field+".", part.in+".") && !strings.Contains(field, part.in+"[") {
			continue
		}
		if part.below == "image" && s.Build != nil {
			return "build"
		}
		return part.below
	}
	return ""
}

// behindEnv is the variable, or what it is taken from: the name of a ConfigMap
// or Secret changes with its content.
func behindEnv(s *schema.Service, env []schema.EnvVar, name string) string {
	for _, v := range env {
		switch {
		case v.Name != name:
		case v.Config != nil:
			return "config." + v.Config.Name + "." + v.Config.Key
		case v.Secret != nil:
			return "secrets." + v.Secret.Name + "." + v.Secret.Key
		default:
			return "env." + name
		}
	}
	for _, c := range s.Calls {
		if strings.HasPrefix(name, strings.ToUpper(strings.ReplaceAll(c.Name, "-", "_"))+"_") {
			return "calls." + c.Name
		}
	}
	return ""
}

func behindVolume(s *schema.Service, name string) string {
	for _, v := range s.Volumes {
		switch {
		case v.Name != name:
		case v.Config != "":
			return "config." + v.Config
		case v.Secret != "":
			return "secrets." + v.Secret
		default:
			return "volumes." + name
		}
	}
	return ""
}
