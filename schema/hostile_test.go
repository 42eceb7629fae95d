package schema_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/shipit-dev/shipit/schema"
)

// importing is a project that imports a package of its own.
const importing = "package shop\n\nimport (\n\t\"shipit.dev/v1\"\n\t\"example.com/hello/team\"\n)\n\nv1.#App & {name: team.name, services: web: image: \"nginx\"}\n"

func objectsOf(source string) string {
	return "package shop\n\nimport \"shipit.dev/v1\"\n\nv1.#App & {name: \"shop\", services: web: image: \"nginx\", objects: raw: " + source + "}\n"
}

func sopsOf(file string) string {
	return "package shop\n\nimport \"shipit.dev/v1\"\n\nv1.#App & {name: \"shop\", services: web: {image: \"nginx\", secrets: db: a: sops: {file: \"" + file + "\", key: \"a\"}}}\n"
}

// What a project could do to the machine that reads it: files elsewhere, files
// without an end, files that grow. Each ends in an error within seconds.
func TestHostile(t *testing.T) {
	t.Parallel()
	outside := t.TempDir()
	write(t, filepath.Join(outside, "team", "team.cue"), "package team\n\nname: \"stolen\"\n")
	write(t, filepath.Join(outside, "cue.mod", "module.cue"), "module: \"example.com/team@v0\"\nlanguage: version: \"v0.14.0\"\n")
	write(t, filepath.Join(outside, "objects", "object.yaml"), "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: stolen}\n")
	write(t, filepath.Join(outside, "sops.yaml"), "a: ENC[AES256_GCM,data:eA==,iv:eA==,tag:eA==,type:str]\nsops: {mac: stolen}\n")
	link := func(from, to string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			at := filepath.Join(dir, filepath.FromSlash(to))
			if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(filepath.Join(outside, from), at); err != nil {
				t.Skip(err)
			}
		}
	}
	pipe := func(name string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			at := filepath.Join(dir, filepath.FromSlash(name))
			if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
				t.Fatal(err)
			}
			_ = os.Remove(at)
			if err := syscall.Mkfifo(at, 0o600); err != nil {
				t.Skip(err)
			}
		}
	}
	file := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			t.Helper()
			write(t, filepath.Join(dir, filepath.FromSlash(name)), text)
		}
	}
	both := func(a, b func(*testing.T, string)) func(*testing.T, string) {
		return func(t *testing.T, dir string) { t.Helper(); a(t, dir); b(t, dir) }
	}
	const embeds = "@extern(embed)\n\npackage shop\n\nimport \"shipit.dev/v1\"\n\nv1.#App & {name: _x, services: web: image: \"nginx\"}\n_x: _ @embed(file=FILE,type=text)\n"
	for name, c := range map[string]struct {
		text string
		make func(*testing.T, string)
		want string
	}{
		"a link to a package":       {importing, link("team", "team"), "team/team.cue:1:1: this is a link to a file outside the project"},
		"a link to a file of it":    {importing, link("team/team.cue", "team/team.cue"), "team/team.cue:1:1: this is a link to a file outside the project"},
		"a link in cue.mod/pkg":     {strings.ReplaceAll(importing, "hello/team", "team"), link("team", "cue.mod/pkg/example.com/team"), "cue.mod/pkg/example.com/team/team.cue:1:1: this is a link to a file outside the project"},
		"a replaced module":         {strings.ReplaceAll(importing, "hello/team", "team"), file("cue.mod/local-module.cue", "deps: \"example.com/team@v0\": {v: \"v0.1.0\", replaceWith: \""+outside+"\"}\n"), "cue.mod/local-module.cue:1:57: a module is replaced by a folder outside the project"},
		"a link to objects":         {objectsOf(`file: "raw.yaml"`), link("objects/object.yaml", "raw.yaml"), `objects.raw.file: "raw.yaml" is a link to a file outside the project`},
		"a link to a folder":        {objectsOf(`dir: "raw"`), link("objects", "raw"), `objects.raw.dir: "raw" is a link to a file outside the project`},
		"a link in a folder":        {objectsOf(`dir: "raw"`), link("objects/object.yaml", "raw/object.yaml"), `objects.raw.dir: "raw/object.yaml" is a link to a file outside the project`},
		"a link to a secret":        {sopsOf("s.yaml"), link("sops.yaml", "s.yaml"), `services.web.secrets.db.a.sops.file: "s.yaml" is a link to a file outside the project`},
		"a pipe in a package":       {importing, pipe("team/team.cue"), "team/team.cue:1:1: this is no regular file"},
		"a pipe in cue.mod/pkg":     {strings.ReplaceAll(importing, "hello/team", "team"), pipe("cue.mod/pkg/example.com/team/team.cue"), "cue.mod/pkg/example.com/team/team.cue:1:1: this is no regular file"},
		"a pipe as the module file": {importing, pipe("cue.mod/module.cue"), "cue.mod/module.cue:1:1: this is no regular file"},
		"a pipe of objects":         {objectsOf(`file: "raw.yaml"`), pipe("raw.yaml"), "raw.yaml:1:1: this is no regular file"},
		"a pipe in a folder":        {objectsOf(`dir: "raw"`), pipe("raw/raw.yaml"), `the file "raw/raw.yaml" is no regular file`},
		"a pipe of a secret":        {sopsOf("s.yaml"), pipe("s.yaml"), "s.yaml:1:1: this is no regular file"},
		"a device":                  {objectsOf(`file: "raw.yaml"`), func(_ *testing.T, dir string) { _ = os.Symlink("/dev/zero", filepath.Join(dir, "raw.yaml")) }, "raw.yaml:1:1: this is no regular file"},
		"a huge package":            {importing, file("team/team.cue", "package team\n"+strings.Repeat("// 0123456789\n", 700_000)), "team/team.cue:1:1: this file is larger than 8 MiB"},
		"a huge module file":        {importing, file("cue.mod/module.cue", "module: \"example.com/hello\"\n"+strings.Repeat("// 0123456789\n", 700_000)), "cue.mod/module.cue:1:1: this file is larger than 8 MiB"},
		"huge objects":              {objectsOf(`file: "raw.yaml"`), file("raw.yaml", strings.Repeat("# 0123456789\n", 700_000)), `the file "raw.yaml" is larger than`},
		"a deep package":            {importing, file("team/team.cue", "package team\n\nname: "+strings.Repeat("[", 300_000)), "team/team.cue:3:5005: this file is nested too deep here"},
		"deep objects":              {objectsOf(`file: "raw.yaml"`), file("raw.yaml", "a: "+strings.Repeat("[", 300_000)), "raw.yaml:1:1: an object in raw.yaml is not YAML"},
		"objects that multiply":     {objectsOf(`file: "raw.yaml"`), file("raw.yaml", laughs()), "raw.yaml:1:1: an object in raw.yaml is not YAML"},
		"an embedded file outside":  {strings.Replace(embeds, "FILE", "\""+outside+"/sops.yaml\"", 1), nil, "shop.cue:8:7: "},
		"an embedded file above":    {strings.Replace(embeds, "FILE", "\"../x\"", 1), nil, "shop.cue:8:7: "},
		"an embedded link":          {strings.Replace(embeds, "FILE", "\"s.txt\"", 1), link("sops.yaml", "s.txt"), "shop.cue:8:7: this is a link"},
		"a link with a space":       {strings.Replace(embeds, "FILE", "a b.txt", 1), link("sops.yaml", "a b.txt"), "shop.cue:8:7: this is a link"},
		"a link with brackets":      {strings.Replace(embeds, "FILE", "\"a[b].txt\"", 1), both(file("ab.txt", "well"), link("sops.yaml", "a[b].txt")), "shop.cue:8:7: this is a link"},
		"a link in other quotes":    {strings.Replace(embeds, "FILE", "#\"s.txt\"#", 1), link("sops.yaml", "s.txt"), "shop.cue:8:7: this is a link"},
		"a link with a comma":       {strings.Replace(embeds, "FILE", "(s,t).txt", 1), link("sops.yaml", "(s,t).txt"), "shop.cue:8:7: this is a link"},
		"a link by a pattern":       {strings.Replace(embeds, "file=FILE", "glob=\"*.txt\"", 1), link("sops.yaml", "s.txt"), "shop.cue:8:7: this is a link"},
		"a link to a folder of it":  {strings.Replace(embeds, "FILE", "l/sops.yaml", 1), link(".", "l"), "shop.cue:8:7: this is a link"},
		"an embedded pipe":          {strings.Replace(embeds, "FILE", "p.txt", 1), pipe("p.txt"), "p.txt:1:1: this is no regular file"},
		"an embedded file of git":   {strings.Replace(embeds, "FILE", ".git/config", 1), file(".git/config", "stolen"), "shop.cue:8:7: this is a file of git's own"},
		"objects of git":            {objectsOf(`file: ".git/config"`), file(".git/config", "stolen"), `objects.raw.file: ".git/config" is a file of git's own`},
		"a key twice":               {objectsOf(`file: "raw.yaml"`), file("raw.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  a: \"1\"\n  a: \"2\"\n"), `raw.yaml:6:1: an object in raw.yaml has the key "a" in line 5 and in line 6`},
		"a second JSON object":      {objectsOf(`file: "raw.json"`), file("raw.json", "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"a\"}}\n{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"b\"}}\n"), "raw.json:2:1: an object in raw.json is followed by something else"},
		"garbage after an object":   {objectsOf(`file: "raw.json"`), file("raw.json", "{\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\", \"metadata\": {\"name\": \"a\"}}\n]\n"), "raw.json:2:1: an object in raw.json is followed by something else"},
		"a label of a number":       {objectsOf(`file: "raw.yaml"`), file("raw.yaml", "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: {app: a, version: 1.10}}\n"), "raw.yaml:1:1: an object in raw.yaml has a metadata.labels.version that is no string"},
		"a label of a truth":        {objectsOf(`{apiVersion: "v1", kind: "ConfigMap", metadata: {name: "a", annotations: on: true}}`), nil, "objects.raw has a metadata.annotations.on that is no string"},
		"a sparse file": {importing, func(t *testing.T, dir string) {
			t.Helper()
			write(t, filepath.Join(dir, "team", "team.cue"), "package team\n")
			if err := os.Truncate(filepath.Join(dir, "team", "team.cue"), 3<<30); err != nil {
				t.Skip(err)
			}
		}, "team/team.cue:1:1: this file is larger than 8 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := project(t, c.text)
			if c.make != nil {
				c.make(t, dir)
			}
			start := time.Now()
			_, err := schema.LoadAll(t.Context(), dir, schema.Options{})
			var errs schema.Errors
			if !errors.As(err, &errs) || !strings.Contains(errs[0].Error(), c.want) {
				t.Fatalf("LoadAll gave %v, want %s", err, c.want)
			}
			for _, e := range errs {
				jargon(t, e.Text())
				if strings.Contains(e.Text(), "stolen") || strings.Contains(e.Text(), "ENC[") {
					t.Errorf("it tells what the file says: %s", e.Text())
				}
			}
			if d := time.Since(start); d > 8*time.Second {
				t.Errorf("it took %s", d)
			}
		})
	}
}

// laughs is YAML that would be as large as a disk.
func laughs() string {
	var b strings.Builder
	b.WriteString("a: &a [\"ha\", \"ha\", \"ha\", \"ha\", \"ha\", \"ha\", \"ha\", \"ha\", \"ha\"]\n")
	for c := 'b'; c <= 'z'; c++ {
		b.WriteString(string(c) + ": &" + string(c) + " [" + strings.TrimSuffix(strings.Repeat("*"+string(c-1)+", ", 9), ", ") + "]\n")
	}
	return b.String()
}
