package deploy

import (
	"cmp"
	"strings"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/render"
	"github.com/shipit-dev/shipit/schema"
)

// PlacedError is an error with the place in the CUE that led to it.
type PlacedError struct {
	Pos  schema.Pos
	Path string
	Err  error
}

func (e *PlacedError) Error() string {
	if !e.Pos.IsValid() {
		return e.Path + ": " + e.Err.Error()
	}
	return e.Pos.String() + ": " + e.Path + ": " + e.Err.Error()
}

// Unwrap gives the error itself.
func (e *PlacedError) Unwrap() error { return e.Err }

func at(app *schema.App, path string, err error) error {
	return &PlacedError{Pos: app.Position(path), Path: path, Err: err}
}

// Blame returns the path in the CUE that a diagnosis points to, and where that
// is written. A service that is no longer in the CUE has no place.
func Blame(app *schema.App, d *apply.Diagnosis) (string, schema.Pos) {
	if d.Unit == render.AppUnit {
		return placeOf(app, d.Unit, d.Object, "")
	}
	s := app.Service(d.Unit)
	if s == nil {
		return "", schema.Pos{}
	}
	path := "services." + d.Unit
	if field := blamed(s, d); field != "" {
		path += "." + field
	}
	return path, app.Position(path)
}

// blamed is the path of a diagnosis below its service.
func blamed(s *schema.Service, d *apply.Diagnosis) string {
	below, c := containerOf(s, d)
	field := d.Field
	if name, ok := strings.CutPrefix(field, "env."); ok {
		if field = behindEnv(s, c.Env, name); field == "" {
			field = d.Field
		}
	}
	if name, ok := strings.CutPrefix(field, "volumes."); ok {
		field = cmp.Or(behindVolume(s, name), field)
	}
	if field == "command" && len(c.Command)+len(c.Args) == 0 {
		field = "image" // the command is the image's own
	}
	if field == "image" && c.Build != nil {
		field = "build"
	}
	switch word, _, _ := strings.Cut(field, "."); word {
	case "image", "build":
		if c.Image == s.Image && c.Build == s.Build {
			return field // a task that runs its service's image
		}
		return below + field
	case "command", "env", "ports", "probes", "resources", "security":
		return below + field
	}
	return field
}

// containerOf is the container that a diagnosis is about, and the path that leads
// to it below the service, with a dot when there is one.
func containerOf(s *schema.Service, d *apply.Diagnosis) (string, schema.Container) {
	for phase, tasks := range map[string][]schema.Task{"before": s.Before, "after": s.After} {
		for _, t := range tasks {
			if d.Object.Kind == "Job" && t.Name == d.Container {
				return "jobs." + phase + "." + t.Name + ".", t.Container
			}
		}
	}
	for _, c := range s.Init {
		if c.Name == d.Container {
			return "init." + c.Name + ".", c
		}
	}
	for _, c := range s.Sidecars {
		if c.Name == d.Container {
			return "sidecars." + c.Name + ".", c
		}
	}
	return "", s.Container()
}
