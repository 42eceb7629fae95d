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

// Files that are too large or too deep to be read at all.
func TestInputLimits(t *testing.T) {
	t.Parallel()
	many := func(s string) string { return strings.Repeat(s, 300_000) }
	for name, c := range map[string]struct{ text, want string }{
		"large":      {"package shop\n" + strings.Repeat("// 0123456789\n", 700_000), "shop.cue:1:1: this file is larger than 8 MiB"},
		"lists":      {"package shop\na: " + many("["), "nested too deep here"},
		"structs":    {"package shop\na: " + many("{a: "), "nested too deep here"},
		"fields":     {"package shop\n" + many("a: ") + "1", "nested too deep here"},
		"operands":   {"package shop\na: " + many("1+") + "1", "nested too deep here"},
		"operators":  {"package shop\na: " + many("-") + "1", "nested too deep here"},
		"selectors":  {"package shop\na: a" + many(".a"), "nested too deep here"},
		"clauses":    {"package shop\n" + many("if true ") + "{}", "nested too deep here"},
		"texts":      {"package shop\na: " + many(`"\(`), "nested too deep here"},
		"long":       {"package shop\nimport \"shipit.dev/v1\"\nv1.#App & {name: \"shop\", services: web: image: \"nginx\"}\n_a: [" + strings.Repeat("1,", 20_000) + "]\n", ""},
		"long texts": {"package shop\nimport \"shipit.dev/v1\"\nv1.#App & {name: \"shop\", services: web: image: \"nginx\"}\n_x: 1\n_a: {" + strings.Repeat("\"{\\(_x)[(\\(_x)\": 1\n", 2_000) + "}\n", ""},
	} {
		dir := project(t, c.text)
		_, err := schema.Load(t.Context(), dir, schema.Options{Limits: schema.Limitations{Time: time.Minute}})
		var errs schema.Errors
		switch {
		case c.want == "" && err != nil:
			t.Errorf("%s: %.300v", name, err)
		case c.want != "" && (!errors.As(err, &errs) || len(errs) != 1 || errs[0].Rule != "input-limit" || !strings.Contains(errs[0].Error(), c.want)):
			t.Errorf("%s: Load gave %.300v", name, err)
		}
	}
}

// A pipe has no end to read to.
func TestPipe(t *testing.T) {
	t.Parallel()
	dir := project(t, oneConfig)
	if err := syscall.Mkfifo(filepath.Join(dir, "pipe.cue"), 0o600); err != nil {
		t.Skip(err)
	}
	if _, err := schema.Load(t.Context(), dir, schema.Options{}); err == nil || err.Error() != "pipe.cue:1:1: this is no regular file" {
		t.Errorf("Load gave %v", err)
	}
}

// What takes too long is given up. (The test of what takes too much memory is a
// script, as only the end of its process ends it.)
func TestTimeLimit(t *testing.T) {
	t.Parallel()
	dir := project(t, `package shop
import ("shipit.dev/v1", "list")
_n: list.Range(0, 50, 1) // a second: it goes on beside other tests
_slow: [for a in _n for b in _n for c in _n if a*b*c == 1 {a}]
v1.#App & {name: "shop", services: web: {image: "nginx", replicas: len(_slow)}}
`)
	start := time.Now()
	_, err := schema.LoadAll(t.Context(), dir, schema.Options{Limits: schema.Limitations{Time: 100 * time.Millisecond}})
	var limit *schema.LimitError
	if !errors.As(err, &limit) || limit.What != "time" || limit.Error() != "evaluating "+dir+" takes longer than 100ms" || limit.Hint() != "look at shop.cue:4:9 first, where 3 for clauses are inside of each other" {
		t.Errorf("LoadAll gave %v", err)
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("it took %s", d)
	}
}

// The module file is a file of the project, too.
func TestModuleFileOutside(t *testing.T) {
	t.Parallel()
	dir := project(t, oneConfig)
	file := filepath.Join(dir, "cue.mod", "module.cue")
	outside := filepath.Join(t.TempDir(), "module.cue")
	write(t, outside, "module: \"example.com/secret\"\nlanguage: version: \"v0.14.0\"\n")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, file); err != nil {
		t.Skip(err)
	}
	if _, err := schema.Load(t.Context(), dir, schema.Options{}); err == nil || err.Error() != "cue.mod/module.cue:1:1: this is a link to a file outside the project" {
		t.Errorf("Load gave %v", err)
	}
}

// Files as some editors save them.
func TestEncodings(t *testing.T) {
	t.Parallel()
	text := "package shop\n\nimport \"shipit.dev/v1\"\n\nv1.#App & {name: \"shop\", services: web: {image: \"nginx\", replica: 1}}\n"
	typo := "shop.cue:5:58: unknown field \"replica\" in services.web"
	for name, c := range map[string]struct{ text, want string }{
		"byte order mark":    {"\xef\xbb\xbf" + text, typo},
		"Windows line ends":  {strings.ReplaceAll(text, "\n", "\r\n"), typo},
		"Latin-1":            {strings.Replace(text, "nginx", "caf\xe9", 1), "shop.cue:5:53: this file is not in UTF-8"},
		"a NUL":              {strings.Replace(text, "nginx", "ng\x00inx", 1), "shop.cue:5:52: this file has a NUL in it"},
		"replaced character": {strings.Replace(text, "replica: 1", "args: [\"\uFFFD\"]", 1), ""},
	} {
		_, err := schema.Load(t.Context(), project(t, c.text), schema.Options{})
		if c.want == "" && err != nil || c.want != "" && (err == nil || err.Error() != c.want) {
			t.Errorf("%s: Load gave %v, want %q", name, err, c.want)
		}
	}
}
