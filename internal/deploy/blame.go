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
		return "quota", app.Position("quota")
	}
	s := app.Service(d.Unit)
	if s == nil {
		return "", schema.Pos{}
	}
	field := d.Field
	if name, ok := strings.CutPrefix(field, "env."); ok {
		field = cmp.Or(behindEnv(s, name), field)
	}
	if name, ok := strings.CutPrefix(field, "volumes."); ok {
		field = cmp.Or(behindVolume(s, name), field)
	}
	if field == "command" && len(s.Command)+len(s.Args) == 0 {
		field = "image" // the command is the image's own
	}
	if field == "image" && s.Build != nil {
		field = "build"
	}
	path := "services." + d.Unit
	if field != "" {
		path += "." + field
	}
	return path, app.Position(path)
}
