// Package deploy composes the four rooms: it loads a project (schema), turns its
// builds into images (registry), renders its objects (render) and hands them to
// the engine (apply). It is the only place that knows all four, which is why it
// is neither in one of them nor in a command. It prints nothing.
package deploy

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/registry"
	"github.com/shipit-dev/shipit/render"
	"github.com/shipit-dev/shipit/schema"
)

// Options say which project, and what of it is replaced from outside.
type Options struct {
	Dir       string   // the project's directory, or one below it
	Tags      []string // CUE tags: key=value, or a bare name
	Namespace string   // replaces the app's; empty keeps it
	Registry  string   // replaces the app's; empty keeps it
}

// Open loads a project and lays the options over it. What the user wrote wrong
// is a schema.Errors.
func Open(ctx context.Context, opts Options) (*schema.App, error) {
	app, err := schema.Load(ctx, opts.Dir, schema.Options{Tags: opts.Tags})
	if err != nil {
		return nil, err
	}
	if opts.Namespace != "" {
		app.Namespace = opts.Namespace
	}
	if opts.Registry != "" {
		app.Registry = opts.Registry
	}
	return app, nil
}

// UnknownServiceError is a service that the app does not have.
type UnknownServiceError struct {
	Name  string
	Known []string
}

func (e *UnknownServiceError) Error() string {
	return fmt.Sprintf("there is no service %q", e.Name)
}

// Hint names the services there are.
func (e *UnknownServiceError) Hint() string {
	return "the services are " + strings.Join(e.Known, ", ")
}

// Services returns the services called names, or all of them when there are no
// names. The error is an UnknownServiceError.
func Services(app *schema.App, names []string) ([]*schema.Service, error) {
	if len(names) == 0 {
		return app.Services, nil
	}
	var out []*schema.Service
	for _, name := range names {
		s := app.Service(name)
		if s == nil {
			var known []string
			for _, s := range app.Services {
				known = append(known, s.Name)
			}
			return nil, &UnknownServiceError{Name: name, Known: known}
		}
		if !slices.Contains(out, s) {
			out = append(out, s)
		}
	}
	return out, nil
}

// Image is what became of one service's image.
type Image struct {
	Service string
	Ref     string // with its digest
	Build   bool   // the service has a build, not a reference
	Built   bool   // false: the registry had an image of the same inputs
	Pushed  bool   // false: the registry had the manifest
	Took    time.Duration
}

// NoRegistryError says that a service is built and there is nowhere to push it.
type NoRegistryError struct {
	Service string
	Pos     schema.Pos
}

func (e *NoRegistryError) Error() string {
	return fmt.Sprintf("%s: service %s is built from source, and the app has no registry to push it to", e.Pos, e.Service)
}

// Hint tells how to name one.
func (e *NoRegistryError) Hint() string {
	return `write registry: "registry.example.com/team" in the app, or pass --registry or --sandbox`
}

// Images builds, pushes or resolves the image of every service named, side by
// side, and calls done as each is ready, from one goroutine at a time. The
// result has an image for each service, in the order given.
func Images(ctx context.Context, app *schema.App, services []*schema.Service, done func(Image)) ([]Image, error) {
	for _, s := range services {
		if s.Build != nil && app.Registry == "" {
			return nil, &NoRegistryError{Service: s.Name, Pos: app.Position("services." + s.Name + ".build")}
		}
	}
	builder, err := registry.New(registry.Options{UserAgent: "shipit"})
	if err != nil {
		return nil, err
	}
	images := make([]Image, len(services))
	ready := make(chan int)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(16)
	finished := make(chan error, 1)
	go func() {
		for i, s := range services {
			g.Go(func() error {
				var err error
				if images[i], err = image(gctx, builder, app, s); err != nil {
					return err
				}
				ready <- i
				return nil
			})
		}
		finished <- g.Wait()
		close(ready)
	}()
	for i := range ready {
		done(images[i])
	}
	return images, <-finished
}

func image(ctx context.Context, b *registry.Builder, app *schema.App, s *schema.Service) (Image, error) {
	start := time.Now()
	img := Image{Service: s.Name, Build: s.Build != nil}
	if s.Build == nil {
		ref, err := b.Resolve(ctx, s.Image)
		if err != nil {
			return img, at(app, "services."+s.Name+".image", err)
		}
		img.Ref, img.Took = ref, time.Since(start)
		return img, nil
	}
	result, err := b.Build(ctx, registry.Build{
		Name:       s.Name,
		Repository: strings.TrimSuffix(app.Registry, "/") + "/" + s.Name,
		Go:         &registry.GoBuild{Dir: app.Dir, Package: s.Build.Go},
	})
	if err != nil {
		return img, at(app, "services."+s.Name+".build", err)
	}
	img.Ref, img.Built, img.Pushed, img.Took = result.Image, result.Built, result.Pushed, time.Since(start)
	return img, nil
}

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

// Render renders the services that have an image here.
func Render(app *schema.App, images []Image) ([]render.Unit, error) {
	refs := make(map[string]string, len(images))
	for _, img := range images {
		refs[img.Service] = img.Ref
	}
	chosen := *app
	chosen.Services = slices.DeleteFunc(slices.Clone(app.Services), func(s *schema.Service) bool { return refs[s.Name] == "" })
	return render.Render(&chosen, render.Options{Images: refs})
}

// Units renders the services that have an image here, for the engine.
func Units(app *schema.App, images []Image) ([]apply.Unit, error) {
	rendered, err := Render(app, images)
	if err != nil {
		return nil, err
	}
	units := make([]apply.Unit, 0, len(rendered))
	for _, u := range rendered {
		units = append(units, apply.Unit{Name: u.Name, Objects: u.Objects})
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

// Blame returns the path in the CUE that a diagnosis points to, and where that
// is written. A service that is no longer in the CUE has no place.
func Blame(app *schema.App, d *apply.Diagnosis) (string, schema.Pos) {
	s := app.Service(d.Unit)
	if s == nil {
		return "", schema.Pos{}
	}
	field := d.Field
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
