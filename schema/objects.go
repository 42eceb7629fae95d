package schema

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/language"
	"github.com/shipit-dev/shipit/schema/rule"
	yamlv3 "go.yaml.in/yaml/v3"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// rawObjects decodes the App's raw Kubernetes objects.
func (d *decoder) rawObjects(n *node) []Object {
	var list []Object
	for _, f := range sorted(n) {
		if !f.is(cue.StructKind) {
			continue
		}
		file, dir := f.get("file"), f.get("dir")
		switch {
		case file == nil && dir == nil:
			list = append(list, d.rawObject(f))
		case len(f.fields) > 1:
			d.against(f.fields[0], f.fields[1], rule.OneOf, f.path+" is more than one thing", "an object is written here, or in a file, or in a folder", "keep one of them")
		case file.is(cue.StringKind):
			list = append(list, d.fileObjects(file, f.path, file.text, 0)...)
		case dir.is(cue.StringKind):
			list = append(list, d.dirObjects(dir, f.path)...)
		}
	}
	return list
}

func (d *decoder) rawObject(n *node) Object {
	o := Object{Path: n.path, Pos: n.pos}
	o.Object, _ = n.data().(map[string]any)
	if missing := lacks(o.Object); missing != "" && !n.spoilt() {
		d.wrong(n, rule.BadObject, fmt.Sprintf("%s has no %s", n.path, missing), "every Kubernetes object has an apiVersion, a kind, and a name",
			"write "+missing+": …, or file: \"…\" for objects in YAML")
	} else if field, is := notStrings(o.Object); field != "" && !n.spoilt() {
		d.wrong(n, rule.BadObject, fmt.Sprintf("%s has a %s that is %s", n.path, field, is), "labels and annotations are strings", "write the value in quotes, as it is written")
	}
	return o
}

// lacks names what an object must have and has not, or "".
func lacks(o map[string]any) string {
	for _, name := range []string{"apiVersion", "kind"} {
		if text, _ := o[name].(string); text == "" {
			return name
		}
	}
	meta, _ := o["metadata"].(map[string]any)
	if text, _ := meta["name"].(string); text == "" {
		return "metadata.name"
	}
	return ""
}

// notStrings names a label or annotation that is no string, with what it is: those
// who read objects pass over all labels then.
func notStrings(o map[string]any) (path, value string) {
	meta, _ := o["metadata"].(map[string]any)
	for _, field := range []string{"labels", "annotations"} {
		values, ok := meta[field].(map[string]any)
		if !ok && meta[field] != nil {
			return "metadata." + field, "no mapping"
		}
		for _, name := range sortedKeys(values) {
			if _, ok := values[name].(string); !ok {
				return language.Join("metadata."+field, name), "no string"
			}
		}
	}
	return "", ""
}

// dirObjects reads the objects of all files of a folder of the project.
func (d *decoder) dirObjects(n *node, path string) []Object {
	if !d.inProject(n) {
		return nil
	}
	folder := filepath.Join(d.project.Dir, filepath.FromSlash(n.text))
	var files []string
	err := filepath.WalkDir(folder, func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() && slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(name)) {
			files = append(files, name)
		}
		return err
	})
	info, serr := os.Stat(folder)
	switch {
	case serr == nil && !info.IsDir():
		d.wrong(n, rule.ProjectFile, fmt.Sprintf("%s: %q is no folder", n.path, n.text), "", fmt.Sprintf("write file: %q", n.text))
	case serr != nil:
		d.wrong(n, rule.ProjectFile, fmt.Sprintf("%s: there is no folder %q in the project", n.path, n.text), "its path is relative to the project's folder", d.nearFile(n.text))
	case err != nil:
		d.wrong(n, rule.ProjectFile, fmt.Sprintf("%s: the folder %q cannot be read", n.path, n.text), "", "")
	case len(files) == 0:
		d.wrong(n, rule.ProjectFile, fmt.Sprintf("%s: the folder %q has no objects", n.path, n.text), "they are in files that end with .yaml, .yml or .json", "")
	}
	var list []Object
	for _, name := range files {
		rel, err := filepath.Rel(d.project.Dir, name)
		if err != nil {
			continue
		}
		list = append(list, d.fileObjects(n, path, filepath.ToSlash(rel), len(list))...)
	}
	return list
}

// fileObjects reads the objects of a YAML file that n names. They are numbered
// from first.
func (d *decoder) fileObjects(n *node, path, file string, first int) []Object {
	named := *n
	named.text = file
	if !d.inProject(&named) {
		return nil
	}
	text := d.file(&named)
	var list []Object
	add := func(o map[string]any, line int) {
		at := Pos{File: file, Line: line, Column: 1}
		of := language.Join(path, strconv.Itoa(first+len(list)))
		if missing := lacks(o); missing != "" {
			d.tell(&Error{
				Rule: rule.BadObject, Pos: at, Path: of, Message: fmt.Sprintf("an object in %s has no %s", file, missing),
				Why: "every Kubernetes object has an apiVersion, a kind, and a name", Related: related(n.pos),
			})
			return
		}
		if field, is := notStrings(o); field != "" {
			d.tell(&Error{
				Rule: rule.BadObject, Pos: at, Path: of, Message: fmt.Sprintf("an object in %s has a %s that is %s", file, field, is),
				Why: "labels and annotations are strings", Hint: "write the value in quotes, as it is in the file", Related: related(n.pos),
			})
			return
		}
		d.places[of] = at
		list = append(list, Object{Path: of, Pos: at, Object: o})
	}
	for _, doc := range documents(text) {
		data, err := yaml.YAMLToJSON([]byte(doc.text))
		var o map[string]any
		if lost, line := dropped(doc); err == nil && lost != "" {
			d.tell(&Error{
				Rule: rule.BadObject, Pos: Pos{File: file, Line: line, Column: 1}, Path: path,
				Message: fmt.Sprintf("an object in %s %s", file, lost), Related: related(n.pos),
			})
			continue
		}
		if err == nil && string(data) == "null" {
			continue
		}
		if err == nil {
			err = utiljson.Unmarshal(data, &o)
		}
		if err != nil {
			problem, line := yamlProblem(err, doc)
			d.tell(&Error{
				Rule: rule.BadObject, Pos: Pos{File: file, Line: line, Column: 1}, Path: path,
				Message: fmt.Sprintf("an object in %s is not YAML: %s", file, problem), Related: related(n.pos),
			})
			continue
		}
		items, ok := o["items"].([]any)
		if kind, _ := o["kind"].(string); !ok || !strings.HasSuffix(kind, "List") {
			add(o, doc.line)
			continue
		}
		for _, item := range items {
			o, _ := item.(map[string]any)
			add(o, doc.line)
		}
	}
	return list
}

// dropped says what of a document would be lost, and in which line of the file: what
// follows the object, or the first value of a key that is there twice.
func dropped(doc document) (what string, line int) {
	in := yamlv3.NewDecoder(strings.NewReader(doc.text))
	var first, next yamlv3.Node
	if in.Decode(&first) != nil {
		return "", 0
	}
	if at, again := repeated(&first); again != nil {
		return fmt.Sprintf("has the key %q in line %d and in line %d", again.Value, doc.first+at-1, doc.first+again.Line-1), doc.first + again.Line - 1
	}
	if err := in.Decode(&next); !errors.Is(err, io.EOF) {
		line = lastLine(&first) + 1
		if next.Line > 0 {
			line = next.Line
		}
		return "is followed by something else: each begins after a line of ---", doc.first + line - 1
	}
	return "", 0
}

// repeated gives a key that is twice in a mapping, and the line that has it first.
func repeated(n *yamlv3.Node) (first int, again *yamlv3.Node) {
	if n.Kind == yamlv3.MappingNode {
		lines := map[string]int{}
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i]
			if key.Kind != yamlv3.ScalarNode || key.Tag == "!!merge" {
				continue
			}
			if line, known := lines[key.Value]; known {
				return line, key
			}
			lines[key.Value] = key.Line
		}
	}
	for _, c := range n.Content {
		if first, again = repeated(c); again != nil {
			return first, again
		}
	}
	return 0, nil
}

// lastLine is the last one that something of a document begins in.
func lastLine(n *yamlv3.Node) int {
	last := n.Line
	for _, c := range n.Content {
		last = max(last, lastLine(c))
	}
	return last
}

func related(p Pos) []Pos {
	if !p.IsValid() {
		return nil
	}
	return []Pos{p}
}

var yamlLine = regexp.MustCompile(`^line (\d+): `)

// yamlProblem takes out of an error what only names the reader, and tells its
// line in the file.
func yamlProblem(err error, doc document) (text string, line int) {
	text, line = err.Error(), doc.line
	for _, prefix := range []string{"error converting YAML to JSON: ", "yaml: ", "json: "} {
		text = strings.TrimPrefix(text, prefix)
	}
	if strings.Contains(text, "cannot unmarshal") {
		return "it is no mapping", line
	}
	if m := yamlLine.FindStringSubmatch(text); m != nil {
		n, _ := strconv.Atoi(m[1])
		return strings.TrimPrefix(text, m[0]), doc.first + n - 1
	}
	return text, line
}

// document is one of several in a YAML file: its lines from first on, the first of
// which with something on it is line.
type document struct {
	text        string
	first, line int
}

// documents splits a YAML file at its lines of ---.
func documents(text string) []document {
	var list []document
	var b strings.Builder
	first, start, line := 1, 0, 0
	flush := func() {
		if strings.TrimSpace(b.String()) != "" {
			list = append(list, document{b.String(), first, start})
		}
		b.Reset()
		start, first = 0, line+1
	}
	lines := bufio.NewScanner(strings.NewReader(text))
	lines.Buffer(nil, maxData+1)
	for lines.Scan() {
		line++
		if l := lines.Text(); l == "---" || strings.HasPrefix(l, "--- ") || l == "..." {
			flush()
			continue
		}
		if l := strings.TrimSpace(lines.Text()); start == 0 && l != "" && !strings.HasPrefix(l, "#") {
			start = line
		}
		b.WriteString(lines.Text() + "\n")
	}
	flush()
	return slices.DeleteFunc(list, func(d document) bool { return d.line == 0 })
}

// crds decodes the folder of CustomResourceDefinitions that the cluster has.
func (d *decoder) crds(n *node) []Object {
	if !n.is(cue.StringKind) {
		return nil
	}
	list := d.dirObjects(n, n.path)
	for _, o := range list {
		if kind := o.Object["kind"]; kind != "CustomResourceDefinition" {
			d.tell(&Error{
				Rule: rule.BadObject, Pos: o.Pos, Path: o.Path, Message: fmt.Sprintf("%s has a %v in it", n.path, kind), Related: related(n.pos),
				Why: "it says which CustomResourceDefinitions the cluster has, and nothing there is applied", Hint: "move it to a folder of its own, and name that in objects",
			})
		}
	}
	return list
}

// checkObjects checks the raw objects against each other and the services'.
func (d *decoder) checkObjects(a *App, taken map[object]owner) {
	type key struct{ group, kind, namespace, name string }
	known := map[key]Object{}
	for _, o := range a.Objects {
		meta, _ := o.Object["metadata"].(map[string]any)
		kind, _ := o.Object["kind"].(string)
		name, _ := meta["name"].(string)
		namespace, _ := meta["namespace"].(string)
		version, _ := o.Object["apiVersion"].(string)
		group, _, grouped := strings.Cut(version, "/")
		if !grouped {
			group = ""
		}
		if name == "" {
			continue
		}
		if namespace == a.Namespace {
			namespace = ""
		}
		k := key{group, kind, namespace, name}
		at := &node{path: o.Path, pos: o.Pos}
		if group == "" && kind == "Namespace" && name == a.Namespace && len(a.NamespaceLabels)+len(a.NamespaceAnnotations) > 0 {
			d.wrong(at, rule.SameObject, fmt.Sprintf("%s is the app's own namespace, and namespaceLabels or namespaceAnnotations are of it too", o.Path),
				"", "write all of them there, and remove the object")
		}
		if other, ok := known[k]; ok {
			d.against(at, &node{pos: other.Pos}, rule.SameObject, fmt.Sprintf("%s and %s are both the %s %q", other.Path, o.Path, kind, name), "", "remove one of them")
		} else if other, ok := taken[object{kind, name}]; ok && namespace == "" {
			d.against(at, other.n, rule.SameObject, fmt.Sprintf("%s and %s would both make the %s %q", other.n.path, o.Path, kind, name), "", "give one of them another name")
		}
		known[k] = o
		if kind == "Secret" && group == "" && (o.Object["data"] != nil || o.Object["stringData"] != nil) {
			d.wrong(at, rule.SecretInObjects, fmt.Sprintf("%s is a Secret with its values in it", o.Path), "whoever reads the project reads them",
				"write it as secrets of a service, from sops, env, file or external")
		}
	}
}
