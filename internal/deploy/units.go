package deploy

import (
	"slices"
	"strings"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/render"
	"github.com/shipit-dev/shipit/schema"
)

// Render renders the services that have an image here, and what belongs to no
// service. Secrets may be nil: they have no values then.
func Render(app *schema.App, images []Image, secrets *render.Secrets) ([]render.Unit, error) {
	opts := render.Options{Images: make(map[string]string, len(images)), Secrets: secrets}
	for _, img := range images {
		opts.Images[img.Service] = img.Ref
	}
	chosen := *app
	chosen.Services = slices.DeleteFunc(slices.Clone(app.Services), func(s *schema.Service) bool { return opts.Images[s.Name] == "" })
	return render.Render(&chosen, opts)
}

// Units renders for the engine, as Render does.
func Units(app *schema.App, images []Image, secrets *render.Secrets) ([]apply.Unit, error) {
	rendered, err := Render(app, images, secrets)
	if err != nil {
		return nil, err
	}
	units := make([]apply.Unit, 0, len(rendered))
	for _, u := range rendered {
		units = append(units, apply.Unit{Name: u.Name, Needs: u.Needs, Deadline: u.Deadline, Objects: u.Objects})
	}
	return units, nil
}

// Unbuilt gives every service the reference it would have, without its digest:
// what rendering shows when nothing is to be built.
func Unbuilt(app *schema.App) []Image {
	images := make([]Image, 0, len(app.Services))
	for _, s := range app.Services {
		img := Image{Service: s.Name, Ref: s.Image, Build: s.Build != nil}
		if s.Build != nil {
			img.Ref = s.Name
			if app.Registry != "" {
				img.Ref = strings.TrimSuffix(app.Registry, "/") + "/" + s.Name
			}
		}
		images = append(images, img)
	}
	return images
}
