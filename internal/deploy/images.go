package deploy

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shipit-dev/shipit/registry"
	"github.com/shipit-dev/shipit/schema"
)

// Image is what became of one container's image.
type Image struct {
	// Container is the service's name for its own container, and the path below
	// "services." for others: "web.sidecars.proxy", "web.jobs.before.migrate".
	Container string
	Ref       string // with its digest
	Build     bool   // the container has a build, not a reference
	Built     bool   // false: the registry had an image of the same inputs
	Pushed    bool   // false: the registry had the manifest
	Bytes     int64  // that were sent to the registry
	Took      time.Duration

	// Inspection is what the image says of itself, when ImageOptions ask for it and
	// it could be read; Unread is why it could not. Of one that is built it has the
	// platforms alone.
	Inspection *registry.Inspection
	Unread     error
	Nodes      []string // the platforms of the nodes that it may run on, nil when they are not known
	// CrossBuilt says that it is built for Nodes, since none of them is like the
	// machine that builds.
	CrossBuilt bool
}

// ImageOptions say what is wanted of images beside their digests.
type ImageOptions struct {
	// Inspect reads what images that are not built here say of how they run, for the
	// platforms of the nodes that they may run on, and builds the others for nodes
	// that this machine is unlike.
	Inspect bool
	// Cache is a folder that keeps what was read; "" keeps nothing.
	Cache string
	// Logins is a Docker config.json beside the user's own, for a registry that comes
	// with its credentials; nil has none.
	Logins []byte
	// Verify builds what is in the registry already, too, and compares.
	Verify bool
	// Step is told, from one goroutine at a time, what is being done about a
	// container's image; nil is told nothing.
	Step func(container string, step registry.Step)
	// Warn is told of settings of the user that builds do not heed.
	Warn func(string)
	// Nodes gives the labels of the cluster's nodes, nil when they are not known. It
	// is called once.
	Nodes func(context.Context) []map[string]string
}

// source is where the image of a container comes from.
type source struct {
	container string // as in Image
	image     string // a reference, or
	build     *schema.Build
	given     schema.Container
	service   *schema.Service
}

// sources lists the containers of services that have an image of their own: each
// service's, then those beside it.
func sources(services []*schema.Service) []source {
	var out []source
	for _, s := range services {
		add := func(path string, c schema.Container) {
			if c.Image != "" || c.Build != nil {
				out = append(out, source{path, c.Image, c.Build, c, s})
			}
		}
		add(s.Name, s.Container())
		for _, c := range s.Init {
			add(s.Name+".init."+c.Name, c)
		}
		for _, c := range s.Sidecars {
			add(s.Name+".sidecars."+c.Name, c)
		}
		for _, t := range s.Before {
			add(s.Name+".jobs.before."+t.Name, t.Container)
		}
		for _, t := range s.After {
			add(s.Name+".jobs.after."+t.Name, t.Container)
		}
	}
	return out
}

// repository is where a container's image goes: the service's is called after
// it, another after the service and its own name.
func (src source) repository(app *schema.App) string {
	service, rest, other := strings.Cut(src.container, ".")
	repo := strings.TrimSuffix(app.Registry, "/") + "/" + service
	if other {
		repo += "/" + rest[strings.LastIndex(rest, ".")+1:]
	}
	return repo
}

// path is where the CUE says what the image is.
func (src source) path() string {
	if src.build != nil {
		return "services." + src.container + ".build"
	}
	return "services." + src.container + ".image"
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

// Images builds, pushes or resolves the images of every service named, side by
// side, and calls done as each is ready, from one goroutine at a time. The
// result has an image for each container that has its own, in the order of the
// services; the error joins those of all that failed.
func Images(ctx context.Context, app *schema.App, services []*schema.Service, opts ImageOptions, done func(Image)) ([]Image, error) {
	wanted := sources(services)
	for _, src := range wanted {
		if src.build != nil && app.Registry == "" {
			return nil, &NoRegistryError{Service: src.container, Pos: app.Position(src.path())}
		}
	}
	builder, err := registry.New(registry.Options{UserAgent: "shipit", Cache: opts.Cache, Logins: opts.Logins, Verify: opts.Verify, Warn: opts.Warn})
	if err != nil {
		return nil, err
	}
	nodes := sync.OnceValue(func() []map[string]string {
		if opts.Nodes == nil {
			return nil
		}
		return opts.Nodes(ctx)
	})
	start := time.Now()
	images := make([]Image, len(wanted))
	errs := make([]error, len(wanted))
	ready := make(chan int)
	go func() {
		defer close(ready)
		var g errgroup.Group
		g.SetLimit(16)
		g.Go(func() error {
			specs, places := builds(app, wanted)
			for b, i := range places {
				images[i] = Image{Container: wanted[i].container, Build: true}
				if opts.Inspect {
					images[i].Nodes = wanted[i].platforms(nodes())
					specs[b].Go.Platforms = images[i].crossBuild()
				}
			}
			builder.BuildAll(ctx, specs, func(b int, step registry.Step) {
				if opts.Step != nil {
					opts.Step(wanted[places[b]].container, step)
				}
			}, func(b int, r registry.Result, err error) {
				i := places[b]
				images[i].Ref, images[i].Built, images[i].Pushed, images[i].Bytes = r.Image, r.Built, r.Pushed, r.Bytes
				errs[i] = err
				ready <- i
			})
			return nil
		})
		for i, src := range wanted {
			if src.build != nil {
				continue
			}
			g.Go(func() error {
				images[i].Container = src.container
				images[i].Ref, errs[i] = builder.Resolve(ctx, src.image)
				if errs[i] == nil && opts.Inspect {
					images[i].Nodes = src.platforms(nodes())
					images[i].Inspection, images[i].Unread = builder.Inspect(ctx, images[i].Ref, images[i].Nodes)
				}
				ready <- i
				return nil
			})
		}
		_ = g.Wait() // every error is in errs
	}()
	for i := range ready {
		if errs[i] != nil {
			errs[i] = at(app, wanted[i].path(), errs[i])
			continue
		}
		images[i].Took = time.Since(start)
		done(images[i])
	}
	return images, errors.Join(errs...)
}

// crossBuild gives the platforms to build for instead of this machine's, which no
// node is of; nil when it will do, or nothing is known of nodes.
func (img *Image) crossBuild() []string {
	host := registry.HostPlatform()
	img.CrossBuilt = len(img.Nodes) > 0 && !slices.ContainsFunc(img.Nodes, func(node string) bool { return registry.RunsOn(host, node) })
	if img.CrossBuilt {
		img.Inspection = &registry.Inspection{Platforms: img.Nodes}
		return img.Nodes
	}
	img.Inspection = &registry.Inspection{Platforms: []string{host}}
	return nil
}

// builds gives what is built from source, and the place of each among wanted.
func builds(app *schema.App, wanted []source) (specs []registry.Build, places []int) {
	for i, src := range wanted {
		if src.build == nil {
			continue
		}
		repo := src.repository(app)
		specs = append(specs, registry.Build{
			Name:       repo[strings.LastIndex(repo, "/")+1:],
			Repository: repo,
			Go:         &registry.GoBuild{Dir: app.Dir, Package: src.build.Go},
		})
		places = append(places, i)
	}
	return specs, places
}
