package registry

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

// Build is one image to make. Exactly one way of building is set.
type Build struct {
	Name       string   // the service; names the binary in the image: /app/NAME
	Repository string   // where the image goes: host[:port]/path/name
	Go         *GoBuild // a Go main package
}

// GoBuild is a Go main package and the platforms to build it for.
type GoBuild struct {
	// Dir is the project's directory, absolute.
	Dir string
	// Package is the main package's directory relative to Dir, with slashes:
	// "./web". Its Go module may be its own, the project's, or one above.
	Package string
	// Platforms are linux/ARCH[/VARIANT]; more than one makes an image index.
	// Default: linux on the architecture of the machine that builds.
	Platforms []string
}

// Result is where an image is and what it took to get it there.
type Result struct {
	Image  string // REPOSITORY@DIGEST
	Digest string // of the manifest or index: sha256:…
	Built  bool   // false: an image of the same inputs was already in the registry
	Pushed bool   // false: the registry had the manifest already
	Bytes  int64  // that were sent to the registry
}

// Build makes the image of spec and pushes it, unless the registry has it.
//
// The image is known in two ways: by a tag "shipit-HASH" of the hash of
// everything that goes into it, which spares the build, and by its digest,
// which spares the push. The tag also keeps registries that collect untagged
// manifests from removing a deployed image.
//
// Errors a caller can tell apart: *CompileError, *NotMainError, *NoModuleError,
// *NoPackageError, *NoGoError, *BrokenGoError, *BadPlatformError, *BadReferenceError, *UnreachableError,
// *UnauthorizedError, *RefusedError, *AnswerError, *CredentialsError, *CgoError,
// *DifferentError.
func (b *Builder) Build(ctx context.Context, spec Build) (result Result, err error) {
	b.BuildAll(ctx, []Build{spec}, nil, func(_ int, r Result, e error) { result, err = r, e })
	return result, err
}

// BuildAll makes many images side by side, each as Build would make it alone:
// the errors of one do not touch the others. The sources of those in one Go
// module are looked through once. It calls done for each as it is ready, with
// its place in specs, and step, if there is one, before and while something takes
// its time; both from one goroutine at a time.
func (b *Builder) BuildAll(ctx context.Context, specs []Build, step func(i int, s Step), done func(i int, r Result, err error)) {
	tasks := make([]*task, len(specs))
	calls := make(chan func())
	watch := newSteps(b.beat, func(i int, s Step) {
		if step != nil {
			calls <- func() { step(i, s) }
		}
	})
	for i, spec := range specs {
		tasks[i] = newTask(spec)
		tasks[i].begin = func(quiet bool, doing func() string) { watch.begin(i, quiet, doing) }
	}
	go func() {
		defer close(calls)
		defer watch.end()
		b.readSources(ctx, tasks)
		var g errgroup.Group
		g.SetLimit(tasksAtOnce)
		for i, t := range tasks {
			g.Go(func() error {
				if t.err == nil {
					t.result, t.err = b.build(ctx, t)
				}
				t.begin(false, nil)
				calls <- func() { done(i, t.result, t.err) }
				return nil
			})
		}
		_ = g.Wait() // every error is in its task
	}()
	for call := range calls {
		call()
	}
}

// tasksAtOnce bounds the questions to registries. Compilers have a bound of
// their own, Options.Jobs.
const tasksAtOnce = 16

// task is a Build on its way.
type task struct {
	repo   repository
	src    *goSource
	key    string // the hash of its inputs, or "" when they cannot all be read
	result Result
	err    error // ends it
	begin  func(quiet bool, doing func() string)
}

func newTask(spec Build) *task {
	t := &task{}
	if spec.Go == nil {
		t.err = fmt.Errorf("service %s: nothing to build", spec.Name)
		return t
	}
	if t.repo, t.err = parseRepository(spec.Repository); t.err == nil {
		t.src, t.err = newGoSource(spec)
	}
	return t
}

// readSources gives each task its key.
func (b *Builder) readSources(ctx context.Context, tasks []*task) {
	var sources []*goSource
	for _, t := range tasks {
		if t.err == nil {
			sources = append(sources, t.src)
		}
	}
	if len(sources) > 0 {
		b.unheeded(ctx, sources[0])
	}
	for _, t := range tasks {
		if t.err == nil {
			// One line for all of them.
			t.begin(true, said("reading the sources of %d, and getting the modules they need", len(sources)))
			defer t.begin(false, nil)
			break
		}
	}
	b.list(ctx, sources)
	for _, t := range tasks {
		if t.err == nil {
			t.key, t.err = b.inputsKey(t.src)
		}
	}
}

// build finds the image of the task's inputs in the registry, or makes it.
func (b *Builder) build(ctx context.Context, t *task) (Result, error) {
	ctx = withOperation(ctx, &operation{waiting: func(d time.Duration) {
		t.begin(false, said("waiting %s, as %s wants fewer requests", d.Round(time.Second), registryName(t.repo)))
	}})
	if t.key == "" {
		return b.buildAndPush(ctx, t, "")
	}
	digest, found, err := b.find(ctx, t.repo.Tag(tagPrefix+t.key))
	if err != nil || !found {
		if err == nil {
			return b.buildAndPush(ctx, t, "")
		}
		return Result{}, err
	}
	good, err := b.believable(ctx, t, digest)
	switch {
	case err != nil:
		return Result{}, err
	case good && !b.opts.Verify:
		return result(t.repo, digest, false, false), nil
	case !b.opts.Verify:
		digest = "" // it is made anew, and takes the tag
	}
	return b.buildAndPush(ctx, t, digest)
}

// buildAndPush makes the image of a task. With the digest that it should have, it
// says so when it has another, and pushes nothing then.
func (b *Builder) buildAndPush(ctx context.Context, t *task, digest string) (Result, error) {
	select {
	case b.jobs <- struct{}{}:
		defer func() { <-b.jobs }()
	case <-ctx.Done():
		return Result{}, ctx.Err()
	}
	tmp, err := os.MkdirTemp("", "shipit-build-")
	if err != nil {
		return Result{}, err
	}
	defer os.RemoveAll(tmp)

	binaries := make([]string, len(t.src.platforms))
	for i, p := range t.src.platforms {
		binaries[i] = filepath.Join(tmp, fmt.Sprintf("bin%d", i))
		t.begin(false, said("compiling %s for %s", t.src.pkg, p))
		if err := b.compile(ctx, t.src, p, binaries[i]); err != nil {
			return Result{}, err
		}
	}
	t.begin(true, said("making the image"))
	img, err := b.assemble(t.src, binaries, tmp)
	if err != nil {
		return Result{}, fmt.Errorf("making the image of %s: %w", t.src.name, err)
	}
	if made, err := img.Digest(); err != nil || digest != "" && digest != made.String() {
		if err == nil {
			err = &DifferentError{Image: referenceName(t.repo.Tag(tagPrefix + t.key)), Found: digest, Built: made.String()}
		}
		return Result{}, err
	}
	sent, size := &operationOf(ctx).sent, sizeOf(img)
	t.begin(false, func() string {
		if n := sent.Load(); n > 0 {
			return fmt.Sprintf("pushing %s of at most %s", Bytes(n), Bytes(size))
		}
		return fmt.Sprintf("pushing at most %s", Bytes(size))
	})
	digest, pushed, err := b.push(ctx, t.repo, img, t.key)
	if err != nil {
		return Result{}, err
	}
	r := result(t.repo, digest, true, pushed)
	r.Bytes = sent.Load()
	return r, nil
}

func result(repo repository, digest string, built, pushed bool) Result {
	return Result{Image: imageName(repo) + "@" + digest, Digest: digest, Built: built, Pushed: pushed}
}
