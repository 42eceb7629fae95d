package schema

import (
	"context"
	"errors"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"cuelang.org/go/mod/modconfig"
	"cuelang.org/go/mod/modfile"
	"cuelang.org/go/mod/module"
)

// How long a registry may take. They hold modules of some kilobytes.
const (
	answerTime = 5 * time.Second  // until it begins to answer
	fetchTime  = 30 * time.Second // for all of a module
)

// modules gets the CUE modules that a project's module file names under deps, by
// CUE's own mechanism (`cue help registryconfig`): from the module cache, or else
// from an OCI registry into it. A project that has none costs nothing: neither the
// registry's client nor the cache is there before the first module is asked for.
//
// It keeps the context of the load, which CUE's loader has no way to hand on.
type modules struct {
	ctx      context.Context
	env      []string
	open     func() (registry, error)
	fetching atomic.Int32 // modules that are waited for

	mu      sync.Mutex
	folders map[string]module.Version // what is in a folder of the cache
	failed  map[module.Version]error
	silent  map[string]error // what came of registries that do not answer, by host
}

// registry is where modules are, and how CUE chooses the one for each.
type registry struct {
	modconfig.CachedRegistry
	resolver *modconfig.Resolver
}

var _ modconfig.CachedRegistry = (*modules)(nil)

// newModules makes the modules of one load. Without an environment there are none.
func newModules(ctx context.Context, env []string) *modules {
	m := &modules{ctx: ctx, env: env, folders: map[string]module.Version{}, failed: map[module.Version]error{}, silent: map[string]error{}}
	m.open = sync.OnceValues(m.newRegistry)
	return m
}

var errNoRegistry = errors.New("no modules are read from a registry here")

func (m *modules) newRegistry() (registry, error) {
	if m.env == nil {
		return registry{}, errNoRegistry
	}
	cfg := &modconfig.Config{Env: m.env, ClientType: "shipit"}
	if t, ok := http.DefaultTransport.(*http.Transport); ok {
		t = t.Clone()
		t.DialContext = (&net.Dialer{Timeout: answerTime}).DialContext
		t.TLSHandshakeTimeout, t.ResponseHeaderTimeout = answerTime, answerTime
		cfg.Transport = t
	}
	resolver, err := modconfig.NewResolver(cfg)
	if err != nil {
		return registry{}, err
	}
	cached, err := modconfig.NewRegistry(cfg)
	return registry{cached, resolver}, err
}

// ModFile gives the module file of a module.
func (m *modules) ModFile(_ context.Context, mv module.Version) (*modfile.File, error) {
	return fetch(m, mv, modconfig.CachedRegistry.ModFile)
}

// Fetch gives the folder of the cache that a module is in.
func (m *modules) Fetch(_ context.Context, mv module.Version) (module.SourceLoc, error) {
	loc, err := fetch(m, mv, modconfig.CachedRegistry.Fetch)
	return m.found(mv, loc, err)
}

// FetchFromCache is Fetch for a module that is in the cache.
func (m *modules) FetchFromCache(mv module.Version) (module.SourceLoc, error) {
	r, err := m.open()
	if err != nil {
		return module.SourceLoc{}, err
	}
	loc, err := r.FetchFromCache(mv)
	return m.found(mv, loc, err)
}

// ModuleVersions gives the versions of a module that its registry has.
func (m *modules) ModuleVersions(_ context.Context, path string) ([]string, error) {
	r, err := m.open()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(m.ctx, fetchTime)
	defer cancel()
	return inTime(ctx, func() ([]string, error) { return r.ModuleVersions(ctx, path) })
}

// fetch gets something of a module, and keeps the error of it.
func fetch[T any](m *modules, mv module.Version, get func(modconfig.CachedRegistry, context.Context, module.Version) (T, error)) (T, error) {
	got, err := ask(m, mv, get)
	if err != nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.failed[mv] = err
	}
	return got, err
}

// ask asks a registry, unless that has not answered before.
func ask[T any](m *modules, mv module.Version, get func(modconfig.CachedRegistry, context.Context, module.Version) (T, error)) (none T, _ error) {
	r, err := m.open()
	if err != nil {
		return none, err
	}
	at, _ := r.resolver.ResolveToLocation(mv.BasePath(), mv.Version())
	m.mu.Lock()
	err = m.silent[at.Host]
	m.mu.Unlock()
	if err != nil {
		return none, err
	}
	m.fetching.Add(1)
	defer m.fetching.Add(-1)
	ctx, cancel := context.WithTimeout(m.ctx, fetchTime)
	defer cancel()
	got, err := inTime(ctx, func() (T, error) { return get(r, ctx, mv) })
	var silence net.Error
	if errors.As(err, &silence) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.silent[at.Host] = err
	}
	return got, err
}

// inTime ends with a context what does not by itself: a credential helper that hangs
// is waited for by CUE for as long as it runs.
func inTime[T any](ctx context.Context, get func() (T, error)) (got T, err error) {
	type answer struct {
		got T
		err error
	}
	answered := make(chan answer, 1)
	go func() {
		got, err := get()
		answered <- answer{got, err}
	}()
	select {
	case a := <-answered:
		return a.got, a.err
	case <-ctx.Done():
		return got, ctx.Err()
	}
}

func (m *modules) found(mv module.Version, loc module.SourceLoc, err error) (module.SourceLoc, error) {
	if root, ok := loc.FS.(module.OSRootFS); ok && err == nil {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.folders[filepath.Join(root.OSRoot(), filepath.FromSlash(loc.Dir))] = mv
	}
	return loc, err
}

// of gives the module that a file is of, as "example.com/platform@v0.1.0", and its
// folder; or "" for the project's own files.
func (m *modules) of(file string) (name, folder string) {
	if m == nil {
		return "", ""
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for folder, mv := range m.folders {
		if rel, err := filepath.Rel(folder, file); err == nil && filepath.IsLocal(rel) {
			return mv.BasePath() + "@" + mv.Version(), folder
		}
	}
	return "", ""
}

// getenv gives a variable of the environment.
func (m *modules) getenv(name string) string {
	for _, e := range slices.Backward(m.env) {
		if value, ok := strings.CutPrefix(e, name+"="); ok {
			return value
		}
	}
	return ""
}
