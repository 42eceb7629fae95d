package schema

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"regexp"
	"strings"
	"unicode/utf8"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/rule"
)

// maxData is how much a ConfigMap or a Secret may hold: 1 MiB
// (https://kubernetes.io/docs/concepts/configuration/configmap).
const maxData = 1 << 20

// env decodes the environment of a service's container.
func (d *decoder) env(n, service *node) []EnvVar {
	var vars []EnvVar
	for _, f := range sorted(n) {
		v := EnvVar{Name: f.name, Value: f.str()}
		if f.is(cue.StructKind) {
			d.oneOf(f, []string{"config", "secret", "field"}, "has more than one source", "a variable has one value",
				"does not say where its value comes from", `write one of config: "NAME/KEY", secret: "NAME/KEY", field: "status.podIP"`)
			v.Config = d.ref(f.get("config"), service, "config", "config")
			v.Secret = d.ref(f.get("secret"), service, "secrets", "secret")
			v.Field = d.podField(f.get("field"))
		}
		vars = append(vars, v)
	}
	return vars
}

// ref decodes "NAME/KEY", which has to be in the service's own field group.
func (d *decoder) ref(n, service *node, group, what string) *KeyRef {
	if n.str() == "" {
		return nil
	}
	name, key, _ := strings.Cut(n.text, "/")
	if !d.named(n, service, group, what, name) {
		return &KeyRef{name, key}
	}
	set := service.get(group).get(name)
	if set.is(cue.StructKind) && set.missing(key) {
		hint := fmt.Sprintf("add it: %s: %s: %s: …", group, name, key)
		if near := nearestName(key, names(set)); near != "" {
			hint = fmt.Sprintf("did you mean %q?", name+"/"+near)
		}
		why := set.path + " is empty"
		if len(set.fields) > 0 {
			why = set.path + " has " + strings.Join(names(set), ", ")
		}
		d.against(n, set, rule.UnknownConfig, fmt.Sprintf("%s refers to the key %q of %s, which is not there", n.path, key, set.path), why, hint)
	}
	return &KeyRef{name, key}
}

// named checks that a service has a config or secret of a name, and reports
// whether it has.
func (d *decoder) named(n, service *node, group, what, name string) bool {
	if !settled(service, group) {
		return false
	}
	have := service.get(group)
	if have.get(name) != nil {
		return true
	}
	why := service.path + " has no " + group
	if list := names(have); len(list) > 0 {
		why = have.path + " has " + strings.Join(list, ", ")
	}
	hint := fmt.Sprintf("add it: %s: %s: {…}", group, name)
	if near := nearestName(name, names(have)); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	d.wrong(n, rule.UnknownConfig, fmt.Sprintf("%s refers to the %s %q, which %s does not have", n.path, what, name, service.path), why, hint)
	return false
}

// podFields are those that the downward API gives to variables
// (https://kubernetes.io/docs/concepts/workloads/pods/downward-api).
var podFields = []string{
	"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName",
	"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs",
}

var podMetadata = regexp.MustCompile(`^metadata\.(labels|annotations)\['[^']+'\]$`)

// podLabel is one as other languages would select it.
var podLabel = regexp.MustCompile(`^metadata\.(label|annotation)s?[.\[]"?([^"\]]+)"?\]?$`)

func (d *decoder) podField(n *node) string {
	field := n.str()
	if field == "" || podMetadata.MatchString(field) {
		return field
	}
	for _, known := range podFields {
		if field == known {
			return field
		}
	}
	hint := ""
	if m := podLabel.FindStringSubmatch(field); m != nil {
		hint = fmt.Sprintf("write %q", fmt.Sprintf("metadata.%ss['%s']", m[1], m[2]))
	} else if near := nearestName(field, podFields); near != "" {
		hint = fmt.Sprintf("did you mean %q?", near)
	}
	d.wrong(n, rule.PodField, fmt.Sprintf("%s is %q, which is no field that a pod tells of itself", n.path, field),
		"they are "+strings.Join(podFields, ", ")+", metadata.labels['NAME'] and metadata.annotations['NAME']", hint)
	return field
}

// configs decodes a service's config, with the files that it names.
func (d *decoder) configs(n *node) []Config {
	var list []Config
	for _, set := range sorted(n) {
		c := Config{Name: set.name, Data: map[string]string{}}
		size := 0
		d.keys(set)
		for _, f := range sorted(set) {
			text := f.str()
			d.text(f, f.name)
			if file := f.get("file"); f.is(cue.StructKind) && file.str() != "" {
				text = d.file(file)
			}
			c.Data[f.name] = text
			size += len(f.name) + len(text)
		}
		if size > maxData {
			d.wrong(set, rule.ConfigTooLarge, fmt.Sprintf("%s has %d bytes, more than 1 MiB", set.path, size),
				"Kubernetes keeps no more in a ConfigMap", "split it, or put large files into the image")
		}
		list = append(list, c)
	}
	return list
}

// file reads a text file of the project.
func (d *decoder) file(n *node) string {
	if !d.inProject(n) {
		return ""
	}
	name := filepath.Join(d.project.Dir, filepath.FromSlash(n.text))
	text, err := d.project.readText(name)
	var path *fs.PathError
	switch {
	case errors.Is(err, fs.ErrNotExist):
		d.wrong(n, rule.ProjectFile, fmt.Sprintf("%s: there is no file %q in the project", n.path, n.text),
			"its path is relative to the project's folder", d.nearFile(n.text))
	case errors.As(err, &path):
		d.wrong(n, rule.ProjectFile, fmt.Sprintf("%s: the file %q cannot be read: %v", n.path, n.text, path.Err), "", "")
	case errors.Is(err, errTooLarge):
		d.wrong(n, rule.ProjectFile, fmt.Sprintf("%s: the file %q is larger than 1 MiB", n.path, n.text),
			"Kubernetes keeps no more in a ConfigMap", "put it into the image instead")
	case err != nil:
		d.wrong(n, rule.ProjectFile, fmt.Sprintf("%s: the file %q is %v", n.path, n.text, err),
			"a config is made of text files", "put it into the image instead")
	}
	return text
}

// readText reads a text file of the project, an absolute path.
func (p Project) readText(name string) (string, error) {
	data, err := ReadBelow(p.Root, name, maxData)
	switch {
	case errors.Is(err, errNotRegular):
		return "", errNotRegular
	case errors.Is(err, errTooLarge):
		return "", errTooLarge
	case err != nil:
		return "", err
	case !utf8.Valid(data):
		return "", errNotText
	}
	return string(data), nil
}

// nearFile gives a hint for a file that is not there, when one beside it has
// almost its name.
func (d *decoder) nearFile(name string) string {
	folder := filepath.Dir(filepath.FromSlash(name))
	entries, err := d.project.readDir(filepath.Join(d.project.Dir, folder))
	if err != nil {
		return ""
	}
	var files []string
	for _, e := range entries {
		if !e.IsDir() {
			files = append(files, e.Name())
		}
	}
	near := nearestName(filepath.Base(name), files)
	if near == "" {
		return ""
	}
	return fmt.Sprintf("did you mean %q?", filepath.ToSlash(filepath.Join(folder, near)))
}

// inProject checks that a file is one of the project, there or not.
func (d *decoder) inProject(n *node) bool {
	local := filepath.FromSlash(n.text)
	if !filepath.IsLocal(local) {
		d.wrong(n, rule.ProjectFile, fmt.Sprintf("%s is outside the project: %q", n.path, n.text),
			"only files of the project are read, by a path relative to its folder", "copy it into the project")
		return false
	}
	switch _, err := below(d.project.Root, filepath.Join(d.project.Dir, local)); err {
	case errOutside:
		d.wrong(n, rule.ProjectFile, fmt.Sprintf("%s: %q is a link to a file outside the project", n.path, n.text),
			"only files of the project are read", "copy it into the project")
		return false
	case errGit:
		d.wrong(n, rule.ProjectFile, fmt.Sprintf("%s: %q is a file of git's own, not of the project", n.path, n.text),
			"only files of the project are read", "copy it into the project")
		return false
	}
	return true
}

// external decodes a value in a store outside of the cluster.
func external(n *node) *ExternalKey {
	if !n.is(cue.StructKind) {
		return nil
	}
	return &ExternalKey{
		Store: n.get("store").str(), StoreKind: cmp.Or(n.get("storeKind").str(), "SecretStore"), Key: n.get("key").str(),
		Property: n.get("property").str(), Refresh: cmp.Or(n.get("refresh").str(), "1h"),
	}
}

// secrets decodes where a service's secrets come from.
func (d *decoder) secrets(n *node) []Secret {
	var list []Secret
	for _, set := range sorted(n) {
		s := Secret{Name: set.name}
		d.keys(set)
		for _, f := range sorted(set) {
			if !f.is(cue.StructKind) {
				continue
			}
			d.oneOf(f, []string{"env", "file", "sops", "existing", "external"}, "has more than one source", "a secret has one value",
				"does not say where its value comes from", `write one of env: "VARIABLE", file: "PATH", sops: {file: "PATH", key: "NAME"}, existing: "SECRET/KEY", external: {store: "STORE", key: "KEY"}`)
			key := SecretKey{Key: f.name, Env: f.get("env").str(), File: f.get("file").str(), SOPS: d.sops(f.get("sops")), External: external(f.get("external"))}
			if key.File != "" {
				d.inProject(f.get("file"))
			}
			if name, of, ok := strings.Cut(f.get("existing").str(), "/"); ok {
				key.Existing = &KeyRef{name, of}
			}
			s.Keys = append(s.Keys, key)
		}
		list = append(list, s)
	}
	return list
}
