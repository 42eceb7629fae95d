package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// The README's project is valid, and its commands exist.
func TestReadme(t *testing.T) {
	t.Parallel()
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	block := regexp.MustCompile("(?s)```cue\n(.*?)```").FindSubmatch(readme)
	if block == nil {
		t.Fatal("the README shows no CUE")
	}
	dir := t.TempDir()
	for name, text := range map[string]string{
		"shop.cue":           string(block[1]),
		"cue.mod/module.cue": "module: \"shop.example\"\nlanguage: version: \"v0.17.0\"\n",
		"web/main.go":        "package main\n",
		"catalog/main.go":    "package main\n",
	} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	if code := run([]string{"validate", "-C", dir}, streams{in: strings.NewReader(""), out: &out, err: &errs}); code != 0 {
		t.Errorf("validate: exit code %d\n%s", code, errs.String())
	}
	commands := regexp.MustCompile("(?m)^\\| `shipit ([a-z]+)").FindAllSubmatch(readme, -1)
	if len(commands) < 10 {
		t.Fatalf("the README has a table of %d commands", len(commands))
	}
	root := newRootCommand(streams{})
	for _, c := range commands {
		if found, _, err := root.Find([]string{string(c[1])}); err != nil || found == root {
			t.Errorf("the README has the command %s, and shipit has not", c[1])
		}
	}
	for _, c := range root.Commands() {
		name := c.Name()
		if name != "help" && name != "version" && name != "completion" && !strings.Contains(string(readme), "`shipit "+name) {
			t.Errorf("shipit has the command %s, and the README has not", name)
		}
	}
}
