package deploy

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shipit-dev/shipit/registry"
	"github.com/shipit-dev/shipit/schema"
)

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
// result has an image for each service, in the order given; the error joins
// those of all services that failed.
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
	start := time.Now()
	images := make([]Image, len(services))
	errs := make([]error, len(services))
	ready := make(chan int)
	go func() {
		defer close(ready)
		var g errgroup.Group
		g.SetLimit(16)
		g.Go(func() error {
			specs, places := builds(app, services)
			builder.BuildAll(ctx, specs, func(b int, r registry.Result, err error) {
				i := places[b]
				images[i] = Image{Service: services[i].Name, Ref: r.Image, Build: true, Built: r.Built, Pushed: r.Pushed}
				errs[i] = err
				ready <- i
			})
			return nil
		})
		for i, s := range services {
			if s.Build != nil {
				continue
			}
			g.Go(func() error {
				images[i].Service = s.Name
				images[i].Ref, errs[i] = builder.Resolve(ctx, s.Image)
				ready <- i
				return nil
			})
		}
		_ = g.Wait() // every error is in errs
	}()
	for i := range ready {
		if errs[i] != nil {
			errs[i] = at(app, "services."+services[i].Name+"."+field(services[i]), errs[i])
			continue
		}
		images[i].Took = time.Since(start)
		done(images[i])
	}
	return images, errors.Join(errs...)
}

// builds gives what is built from source, and the place of each among services.
func builds(app *schema.App, services []*schema.Service) (specs []registry.Build, places []int) {
	for i, s := range services {
		if s.Build == nil {
			continue
		}
		specs = append(specs, registry.Build{
			Name:       s.Name,
			Repository: strings.TrimSuffix(app.Registry, "/") + "/" + s.Name,
			Go:         &registry.GoBuild{Dir: app.Dir, Package: s.Build.Go},
		})
		places = append(places, i)
	}
	return specs, places
}

// field is where a service says what its image is.
func field(s *schema.Service) string {
	if s.Build != nil {
		return "build"
	}
	return "image"
}
