package deploy

import (
	"strings"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/render"
	"github.com/shipit-dev/shipit/schema"
)

// Render renders the services that have an image here. When those are all of
// them, it also renders what belongs to no service. Secrets may be nil: they
// have no values then.
func Render(app *schema.App, images []Image, secrets *render.Secrets) ([]render.Unit, error) {
	opts := render.Options{Images: make(map[string]string, len(images)), Secrets: secrets}
	var only []string
	for _, img := range images {
		opts.Images[img.Container] = img.Ref
		if !strings.Contains(img.Container, ".") {
			only = append(only, img.Container)
		}
	}
	if len(only) < len(app.Services) {
		opts.Only = only
	}
	return render.Render(app, opts)
}

// Units renders for the engine, as Render does.
func Units(app *schema.App, images []Image, secrets *render.Secrets) ([]apply.Unit, error) {
	rendered, err := Render(app, images, secrets)
	if err != nil {
		return nil, err
	}
	units := make([]apply.Unit, 0, len(rendered))
	for _, u := range rendered {
		units = append(units, apply.Unit{Name: u.Name, Needs: u.Needs, Deadline: u.Deadline, Objects: u.Objects, Calls: calls(app, u.Name)})
	}
	return units, nil
}

// calls are those of a service to what this project does not have: only the
// cluster knows whether it is there.
func calls(app *schema.App, service string) []apply.Call {
	s := app.Service(service)
	if s == nil {
		return nil
	}
	var out []apply.Call
	for _, c := range s.Calls {
		if c.App != "" {
			out = append(out, apply.Call{Name: c.Name, App: c.App, Namespace: c.Namespace, Service: c.Service, Port: c.Port})
		}
	}
	return out
}

// Unbuilt gives the containers of services the references they would have,
// without their digests: what rendering shows when nothing is to be built.
func Unbuilt(app *schema.App, services []*schema.Service) []Image {
	var images []Image
	for _, src := range sources(services) {
		img := Image{Container: src.container, Ref: src.image, Build: src.build != nil}
		if src.build != nil {
			img.Ref = strings.TrimPrefix(src.repository(app), "/")
		}
		images = append(images, img)
	}
	return images
}
