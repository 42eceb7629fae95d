package schema

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"cuelabs.dev/go/oci/ociregistry"
	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/mod/modconfig"
	"cuelang.org/go/mod/modregistry"
	"cuelang.org/go/mod/module"
	"github.com/shipit-dev/shipit/schema/rule"
)

// dependency is a module that the module file names in deps.
type dependency struct {
	path, version string // as in "example.com/platform" and "v0.1.0"
	pos           Pos    // of the version
}

// dependencies reads them from the module file.
func (p Project) dependencies() []dependency {
	name := filepath.Join(p.Root, filepath.FromSlash(moduleFile))
	data, err := p.read(name)
	if err != nil {
		return nil
	}
	f, err := parser.ParseFile(name, data)
	if err != nil {
		return nil
	}
	var list []dependency
	ast.Walk(f, func(n ast.Node) bool {
		dep, ok := n.(*ast.Field)
		if !ok {
			return true
		}
		label, _, _ := ast.LabelName(dep.Label)
		body, ok := dep.Value.(*ast.StructLit)
		if !ok {
			return true
		}
		for _, d := range body.Elts {
			v, ok := d.(*ast.Field)
			if !ok {
				continue
			}
			lit, ok := v.Value.(*ast.BasicLit)
			if name, _, _ := ast.LabelName(v.Label); !ok || name != "v" {
				continue
			}
			path, _, _ := strings.Cut(label, "@")
			list = append(list, dependency{path, strings.Trim(lit.Value, `"`), p.pos(lit.Pos())})
		}
		return true
	}, nil)
	return list
}

// moduleFailed tells what kept a module from being fetched, when that is what an
// error of the loader's is about.
func (p Project) moduleFailed(e *Error) bool {
	if p.modules == nil {
		return false
	}
	p.modules.mu.Lock()
	var mv module.Version
	var err error
	for failed, why := range p.modules.failed {
		if strings.Contains(e.Raw, why.Error()) && (err == nil || strings.Contains(e.Raw, failed.String())) {
			mv, err = failed, why
		}
	}
	p.modules.mu.Unlock()
	if err == nil {
		return false
	}
	name := mv.BasePath() + "@" + mv.Version()
	e.Rule, e.Code = rule.ModuleFetch, rule.Import
	for _, d := range p.dependencies() {
		if d.path == mv.BasePath() && d.version == mv.Version() && d.pos.IsValid() {
			e.Related, e.Pos = related(e.Pos), d.pos
		}
	}
	host := p.modules.host(mv)
	e.Why = "CUE_REGISTRY says which registry has which modules"
	if p.modules.getenv("CUE_REGISTRY") == "" {
		e.Why = "CUE_REGISTRY is not set, so modules are looked for in " + modconfig.DefaultRegistry
	}
	say := func(message, hint string) { e.Message, e.Hint = message, hint }
	var (
		network  *url.Error
		unknown  *net.DNSError
		cache    *fs.PathError
		response ociregistry.HTTPError
		timeout  net.Error
	)
	status := 0
	if errors.As(err, &response) {
		status = response.StatusCode()
	}
	text := err.Error()
	unreachable := fmt.Sprintf("the module %s cannot be fetched: the registry %s ", name, host)
	const offline = "check CUE_REGISTRY and the network; once a module is in the cache, neither is needed"
	switch {
	case errors.Is(err, errNoRegistry):
		say(fmt.Sprintf("the module %s is not read: %v", name, err), "")
		e.Why = ""
	case strings.Contains(text, "bad value for registry"):
		_, problem, _ := strings.Cut(text, "registry: ")
		say("CUE_REGISTRY is not understood: "+clean(problem), `write CUE_REGISTRY=registry.example.com/modules; "cue help registryconfig" tells more`)
		e.Why = fmt.Sprintf("it says where the module %s is", name)
	case errors.Is(err, modregistry.ErrNotFound):
		p.noModule(e, mv, host)
	case status == http.StatusUnauthorized || status == http.StatusForbidden || errors.Is(err, ociregistry.ErrUnauthorized) || errors.Is(err, ociregistry.ErrDenied):
		say(fmt.Sprintf("the registry %s does not let you read the module %s", host, name), fmt.Sprintf("log in: docker login %s, or cue login %s", host, host))
		e.Why = "it needs a login that may read it; those of docker (DOCKER_CONFIG) and of cue are used"
	case errors.Is(err, http.ErrSchemeMismatch):
		say(unreachable+"does not speak HTTPS", fmt.Sprintf("write CUE_REGISTRY=%s+insecure for one without TLS", host))
	case errors.As(err, &unknown):
		say(fmt.Sprintf("the module %s cannot be fetched: there is no host %s", name, unknown.Name), offline)
	case errors.Is(err, syscall.ECONNREFUSED):
		say(unreachable+"refuses the connection", offline)
	case errors.As(err, &timeout) && timeout.Timeout():
		say(unreachable+"does not answer", offline)
	case strings.Contains(text, "OCI auth configuration"), strings.Contains(text, "CUE registry logins"):
		say("the logins of registries cannot be read: "+text[strings.LastIndex(text, ": ")+2:], "repair or remove the file config.json in DOCKER_CONFIG, or log in again")
		e.Why = fmt.Sprintf("the module %s comes from the registry %s", name, host)
	case errors.As(err, &network):
		say(unreachable+"cannot be reached: "+clean(network.Err.Error()), offline)
	case errors.As(err, &cache), strings.HasSuffix(text, "is not a directory"):
		why := syscall.ENOTDIR.Error()
		if cache != nil {
			why = cache.Err.Error()
		}
		say(fmt.Sprintf("the module %s cannot be kept in the cache: %s", name, why), "name a folder that can be written in CUE_CACHE_DIR")
		e.Why = "modules are kept in a cache outside of the project"
	case status >= 500:
		say(fmt.Sprintf("%sfails with %d %s", unreachable, status, http.StatusText(status)), "try again, or ask those who run it")
	default:
		text = strings.TrimPrefix(strings.TrimPrefix(text, "module "+mv.String()+": "), name+": ")
		say(fmt.Sprintf("the module %s cannot be fetched: %s", name, clean(text)), "")
	}
	return true
}

// noModule says that a registry has no such module, or not in this version.
func (p Project) noModule(e *Error, mv module.Version, host string) {
	versions, err := p.modules.ModuleVersions(p.modules.ctx, mv.BasePath())
	e.Message = fmt.Sprintf("the registry %s has no module %s", host, mv.BasePath())
	e.Hint = "correct the module's path, or name the registry that has it in CUE_REGISTRY"
	if host == "" {
		e.Message = fmt.Sprintf("CUE_REGISTRY names no registry for the module %s", mv.BasePath())
	}
	if err != nil || len(versions) == 0 {
		return
	}
	e.Message = fmt.Sprintf("the module %s has no version %s in the registry %s", mv.BasePath(), mv.Version(), host)
	last := versions[len(versions)-1]
	e.Hint = fmt.Sprintf("the latest is %s: run `cue mod get %s@%s`", last, mv.BasePath(), last)
	e.Why = ""
}

// host names the registry that a module is looked for in, or "".
func (m *modules) host(mv module.Version) string {
	r, err := m.open()
	if err != nil {
		return ""
	}
	at, _ := r.resolver.ResolveToLocation(mv.BasePath(), mv.Version())
	return at.Host
}

// noPackage says that no module has a package.
func (p Project) noPackage(e *Error, name string) {
	e.Code = rule.Import
	e.Message = fmt.Sprintf("there is no package %q", name)
	path, _, _ := strings.Cut(name, "@")
	deps := p.dependencies()
	i := slices.IndexFunc(deps, func(d dependency) bool { return path == d.path || strings.HasPrefix(path, d.path+"/") })
	own := p.modulePath()
	switch {
	case strings.HasPrefix(name, "shipit.dev"):
		e.Why = "packages of shipit.dev come with shipit itself"
		e.Hint = fmt.Sprintf("did you mean %q?", importPath)
	case i >= 0:
		e.Why = fmt.Sprintf("the module %s %s has no CUE in %s", deps[i].path, deps[i].version, cmp.Or(strings.TrimPrefix(strings.TrimPrefix(path, deps[i].path), "/"), "its root"))
		e.Related = related(deps[i].pos)
		e.Hint = "correct the path, or take a version that has it: cue mod get " + deps[i].path + "@latest"
	case path == own || strings.HasPrefix(path, own+"/"):
		folder := strings.TrimPrefix(strings.TrimPrefix(path, own), "/")
		e.Why = fmt.Sprintf("this project is the module %s, and has no CUE in the folder %q", own, folder)
		if other := p.packageIn(folder); other != "" {
			e.Why = fmt.Sprintf("the folder %q has the package %s", folder, other)
			e.Hint = fmt.Sprintf("write %q, or name the package after the folder", own+"/"+folder+":"+other)
		} else if near := p.nearFolder(folder); near != "" {
			e.Hint = fmt.Sprintf("did you mean %q?", own+"/"+near)
		}
	default:
		e.Why = fmt.Sprintf("it is neither in this project (%s), nor in a module that %s names in deps", own, moduleFile)
		e.Hint = "to add the module that has it, run `cue mod tidy`, with the registry in CUE_REGISTRY"
	}
}

// modulePath gives the path of the project's module, without a version.
func (p Project) modulePath() string {
	data, err := p.read(filepath.Join(p.Root, filepath.FromSlash(moduleFile)))
	if err != nil {
		return ""
	}
	f, err := parser.ParseFile(moduleFile, data)
	if err != nil {
		return ""
	}
	for _, d := range f.Decls {
		if d, ok := d.(*ast.Field); ok {
			lit, ok := d.Value.(*ast.BasicLit)
			if name, _, _ := ast.LabelName(d.Label); ok && name == "module" {
				path, _, _ := strings.Cut(strings.Trim(lit.Value, `"`), "@")
				return path
			}
		}
	}
	return ""
}

// packageIn names the package of a folder of the module, or gives "".
func (p Project) packageIn(folder string) string {
	files, err := fs.Glob(belowFS(p.Root), path.Join(folder, "*.cue"))
	if err != nil {
		return ""
	}
	for _, file := range files {
		data, err := p.read(filepath.Join(p.Root, filepath.FromSlash(file)))
		if err != nil {
			continue
		}
		if f, err := parser.ParseFile(file, data, parser.PackageClauseOnly); err == nil && f.PackageName() != "" {
			return f.PackageName()
		}
	}
	return ""
}

// nearFolder gives a folder of the module with CUE in it, that has a similar name
// to a missing one, or "".
func (p Project) nearFolder(missing string) string {
	parent, name := filepath.Split(filepath.FromSlash(missing))
	entries, err := p.readDir(filepath.Join(p.Root, parent))
	if err != nil {
		return ""
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && hasCUE(filepath.Join(p.Root, parent, e.Name())) {
			names = append(names, e.Name())
		}
	}
	if near := nearestName(name, names); near != "" {
		return filepath.ToSlash(parent) + near
	}
	return ""
}
