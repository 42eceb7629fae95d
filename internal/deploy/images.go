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
	images := make([]Image, len(services))
	errs := make([]error, len(services))
	ready := make(chan int)
	g := errgroup.Group{}
	g.SetLimit(16)
	go func() {
		defer close(ready)
		for i, s := range services {
			g.Go(func() error {
				if images[i], errs[i] = image(ctx, builder, app, s); errs[i] == nil {
					ready <- i
				}
				return nil
			})
		}
		_ = g.Wait() // every error is in errs
	}()
	for i := range ready {
		done(images[i])
	}
	return images, errors.Join(errs...)
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
