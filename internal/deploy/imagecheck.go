package deploy

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/shipit-dev/shipit/registry"
	"github.com/shipit-dev/shipit/schema"
	"github.com/shipit-dev/shipit/schema/rule"
)

// The labels of a node that say what it can run.
const (
	osLabel   = "kubernetes.io/os"
	archLabel = "kubernetes.io/arch"
)

// platforms gives those of the nodes that the container may run on; nil when they
// are not known.
func (src source) platforms(nodes []map[string]string) []string {
	var platforms []string
	for _, labels := range nodes {
		fits := labels[osLabel] == "linux" && labels[archLabel] != ""
		for name, value := range src.service.Placement.Nodes {
			fits = fits && labels[name] == value
		}
		if p := "linux/" + labels[archLabel]; fits && !slices.Contains(platforms, p) {
			platforms = append(platforms, p)
		}
	}
	slices.Sort(platforms)
	return platforms
}

// CheckImages says what images say of themselves that does not go with how they
// are to run: that they run as root, or on another architecture, or write where
// nothing can be written. What the app silences is left out, as are images that
// nothing was read of.
func CheckImages(app *schema.App, services []*schema.Service, images []Image) schema.Errors {
	var errs schema.Errors
	said := map[string]bool{}
	for i, src := range sources(services) {
		if i >= len(images) || images[i].Inspection == nil {
			continue
		}
		for _, e := range src.check(app, *images[i].Inspection, images[i].Nodes) {
			// A task that has its service's image is wrong as the service is.
			key := src.service.Name + " " + src.image + " " + e.Rule
			if src.build != nil {
				key += src.build.Go
			}
			if !said[key] {
				said[key] = true
				errs = append(errs, e)
			}
		}
	}
	return app.Silence(errs)
}

// check gives what is wrong with one container's image, each rule once.
func (src source) check(app *schema.App, found registry.Inspection, nodes []string) schema.Errors {
	var errs schema.Errors
	tell := func(rule string, severity rule.Severity, message, why, hint string) {
		if slices.ContainsFunc(errs, func(e *schema.Error) bool { return e.Rule == rule }) {
			return // said of another platform
		}
		errs = append(errs, &schema.Error{
			Code: imageConfig, Rule: rule, Severity: severity, Pos: app.Position(src.path()), Path: src.path(),
			Message: src.path() + ": " + src.short() + " " + message, Why: why, Hint: hint,
		})
	}
	src.checkPlatforms(found, nodes, tell)
	for _, c := range found.Configs {
		src.checkUser(c, tell)
		if len(c.Entrypoint)+len(c.Cmd)+len(src.given.Command)+len(src.given.Args) == 0 {
			tell(imageNoCommand, rule.Error, "does not say what to run, and nor does services."+src.container,
				"it has neither an entrypoint nor a command", "write "+src.write(`command: ["…"]`))
		}
		src.checkWrites(c, tell)
		src.checkPorts(c, tell)
	}
	return errs
}

// tell takes a finding about an image: what it does, why that is wrong, and what
// to write.
type tell func(rule string, severity rule.Severity, message, why, hint string)

// write is how something of the container is written in CUE.
func (src source) write(field string) string {
	return "services: " + strings.ReplaceAll(src.container, ".", ": ") + ": " + field
}

// short is the image without most of its digest, which says nothing to people.
func (src source) short() string {
	if src.build != nil {
		return "what is built here"
	}
	name, digest, _ := strings.Cut(src.image, "@sha256:")
	if len(digest) < 12 {
		return src.image
	}
	return name + "@sha256:" + digest[:12]
}

// patched reports whether a patch says anything of what containers may: the rest of
// the CUE does not tell then.
func (src source) patched() bool {
	for _, p := range src.service.Patch {
		if text := fmt.Sprint(p); strings.Contains(text, "securityContext") || strings.Contains(text, "volumeMounts") {
			return true
		}
	}
	return false
}

// usualUsers are the numbers of names that have the same one in every image.
var usualUsers = map[string]int{"nobody": 65534, "nonroot": 65532, "node": 1000}

// checkUser judges the user as the kubelet does, which looks at its number
// (https://kubernetes.io/docs/tasks/configure-pod-container/security-context).
func (src source) checkUser(c registry.Config, tell tell) {
	security := src.given.Security
	if security.AllowRoot || security.RunAsUser != nil || src.patched() {
		return
	}
	user, _, _ := strings.Cut(c.User, ":")
	number, err := strconv.Atoi(user)
	root := fmt.Sprintf("run it as another user: %s; take an image that has a USER with a number; or allow it: %s",
		src.write("security: runAsUser: 65532"), src.write("security: runAsNonRoot: false"))
	switch {
	case user == "":
		tell(imageRunsAsRoot, rule.Error, "runs as root, and containers may not",
			"the image names no USER; as runAsNonRoot is true, it would never start", root)
	case user == "root", err == nil && number == 0:
		tell(imageRunsAsRoot, rule.Error, "runs as root, and containers may not",
			fmt.Sprintf("the image's USER is %q; as runAsNonRoot is true, it would never start", c.User), root)
	case err != nil:
		hint := "write the number that the user has in the image: " + src.write("security: runAsUser: N")
		if n := usualUsers[user]; n != 0 {
			hint = fmt.Sprintf("write its number, which mostly is %d: %s", n, src.write("security: runAsUser: "+strconv.Itoa(n)))
		}
		tell(imageUserByName, rule.Error, fmt.Sprintf("runs as the user %q, which could be root", user),
			"as runAsNonRoot is true, Kubernetes starts only what is not root by its number, and an image's names are known inside it alone", hint)
	}
}

// usualWrites are folders that well-known images write to when they run, beside
// those that they declare as volumes.
var usualWrites = map[string][]string{
	"nginx":    {"/var/cache/nginx", "/run"},
	"httpd":    {"/usr/local/apache2/logs"},
	"postgres": {"/run/postgresql"},
	"mysql":    {"/run/mysqld"},
	"mariadb":  {"/run/mysqld"},
}

// checkWrites looks for folders that the image writes to, where nothing is mounted
// and the root file system is read-only.
func (src source) checkWrites(c registry.Config, tell tell) {
	if src.given.Security.WritableRoot || src.patched() {
		return
	}
	writes := c.Volumes
	if len(src.given.Command) == 0 {
		name := strings.TrimPrefix(strings.TrimPrefix(src.image, "docker.io/"), "library/")
		name, _, _ = strings.Cut(name, "@")
		name, _, _ = strings.Cut(name, ":")
		writes = slices.Concat(writes, usualWrites[name])
	}
	var missing []string
	seen := map[string]bool{}
	for _, folder := range writes {
		if folder = path.Clean(folder); !seen[folder] && !src.mounted(folder) {
			missing = append(missing, folder)
		}
		seen[folder] = true
	}
	if len(missing) == 0 {
		return
	}
	tell(imageWrites, rule.Warning, "writes to "+some(missing, " and ")+", where nothing is mounted",
		"its root file system is read-only, and what some clusters let it write all the same is lost with the container",
		fmt.Sprintf("mount a volume there: volumes: %s: {mount: %q, emptyDir: {}}, or with size: \"1Gi\" to keep it; or let it write anywhere: %s",
			path.Base(missing[0]), missing[0], src.write("security: readOnlyRootFilesystem: false")))
}

// some joins the first of what an image may have any number of.
func some(names []string, sep string) string {
	const most = 10
	if len(names) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
	}
	return strings.Join(names, sep)
}

// mounted reports whether a folder, or all that is written in it, is on a volume.
func (src source) mounted(folder string) bool {
	within := func(a, b string) bool { return a == b || strings.HasPrefix(a, strings.TrimSuffix(b, "/")+"/") }
	folder = strings.Replace(folder, "/var/run", "/run", 1) // a link, almost everywhere
	mounts := []string{"/tmp"}
	for _, m := range src.given.Mounts {
		mounts = append(mounts, path.Clean(m.Path))
	}
	return slices.ContainsFunc(mounts, func(at string) bool {
		at = strings.Replace(at, "/var/run", "/run", 1)
		return within(folder, at) || within(at, folder)
	})
}

// checkPorts compares what the image says it listens on with the container's
// ports, where nothing can have told it to listen elsewhere.
func (src source) checkPorts(c registry.Config, tell tell) {
	g := src.given
	if len(c.Ports) == 0 || len(g.Ports) == 0 || len(g.Command)+len(g.Args)+len(g.Env)+len(g.EnvFrom)+len(g.Mounts) > 0 {
		return
	}
	for _, p := range g.Ports {
		if slices.Contains(c.Ports, fmt.Sprintf("%d/%s", p.Port, strings.ToLower(cmp.Or(p.Protocol, "TCP")))) {
			return
		}
	}
	tell(imagePort, rule.Warning, "says that it listens on "+some(c.Ports, ", ")+", which is none of its ports",
		"nothing in the CUE tells it to listen on "+strconv.Itoa(int(g.Ports[0].Port)), fmt.Sprintf("check services.%s.ports", src.container))
}

// checkPlatforms compares what the image is made for with the nodes that it may run
// on.
func (src source) checkPlatforms(found registry.Inspection, nodes []string, tell tell) {
	var without []string
	for _, node := range nodes {
		if !slices.ContainsFunc(found.Platforms, func(p string) bool { return registry.RunsOn(p, node) }) {
			without = append(without, node)
		}
	}
	switch {
	case len(without) == 0:
	case len(without) == len(nodes):
		tell(imagePlatform, rule.Error, "is made for "+some(found.Platforms, ", ")+", and no node that it may run on is",
			"the nodes are "+strings.Join(nodes, ", "), "take an image for "+strings.Join(nodes, " or "))
	default:
		tell(imagePlatform, rule.Warning, "is not made for "+strings.Join(without, ", ")+", as some nodes are that it may run on",
			"it is made for "+some(found.Platforms, ", ")+"; on the others it does not start",
			fmt.Sprintf("say where it runs: services: %s: placement: nodes: %q: %q", src.service.Name, archLabel, archOf(nodes, without)))
	}
}

// archOf is an architecture of the nodes that the image is made for.
func archOf(nodes, without []string) string {
	for _, n := range nodes {
		if !slices.Contains(without, n) {
			return strings.TrimPrefix(n, "linux/")
		}
	}
	return ""
}
