package revision

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// repository makes one with a commit of files, and gives its folder.
func repository(t *testing.T, files map[string]string) string {
	t.Helper()
	if _, err := exec.LookPath("git"); err != nil {
		t.Skip("needs git")
	}
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", t.TempDir())
	for _, who := range []string{"AUTHOR", "COMMITTER"} {
		t.Setenv("GIT_"+who+"_NAME", "a")
		t.Setenv("GIT_"+who+"_EMAIL", "a@example.com")
	}
	write(t, dir, files)
	run(t, dir, "init", "-q", "-b", "main")
	commit(t, dir)
	return dir
}

func write(t *testing.T, dir string, files map[string]string) {
	t.Helper()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func commit(t *testing.T, dir string) {
	t.Helper()
	run(t, dir, "add", "-A")
	run(t, dir, "commit", "-qm", "a change")
}

func run(t *testing.T, dir string, args ...string) {
	t.Helper()
	if _, err := git(t.Context(), dir, nil, args...); err != nil {
		t.Fatal(err)
	}
}

func TestChanged(t *testing.T) {
	dir := repository(t, map[string]string{
		".gitignore": "ignored", "same": "1", "edited": "1", "staged": "1", "gone": "1", "app/old name": "moved",
	})
	write(t, dir, map[string]string{"committed": "1"})
	commit(t, dir)
	write(t, dir, map[string]string{"edited": "2", "staged": "2", "ignored": "1", "app/new\nline": "1"})
	run(t, dir, "add", "staged")
	run(t, dir, "rm", "-q", "gone")
	run(t, dir, "mv", "app/old name", "app/new näme")

	r, err := Open(t.Context(), filepath.Join(dir, "app"), "HEAD~1")
	if err != nil {
		t.Fatal(err)
	}
	if r.Root != dir {
		t.Errorf("the root is %s, not %s", r.Root, dir)
	}
	files, err := r.Changed(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range files {
		rel, err := filepath.Rel(dir, f)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, rel)
	}
	slices.Sort(got)
	want := []string{"app/new\nline", "app/new näme", "app/old name", "committed", "edited", "gone", "staged"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q\nwant %q", got, want)
	}
}

func TestExtract(t *testing.T) {
	dir := repository(t, map[string]string{"a/b/file": "then", "a/gone": "then", "other": "then"})
	write(t, dir, map[string]string{"a/b/file": "now", "a/new": "now"})
	run(t, dir, "rm", "-q", "a/gone")
	before, err := git(t.Context(), dir, nil, "status", "--short")
	if err != nil {
		t.Fatal(err)
	}
	r, err := Open(t.Context(), dir, "main")
	if err != nil {
		t.Fatal(err)
	}
	into := t.TempDir()
	if err := r.Extract(t.Context(), filepath.Join(dir, "a"), into); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{"b/file": "then", "gone": "then"} {
		if got, err := os.ReadFile(filepath.Join(into, name)); err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	for _, name := range []string{"new", "other"} {
		if _, err := os.Stat(filepath.Join(into, name)); err == nil {
			t.Errorf("%s is there", name)
		}
	}
	if after, err := git(t.Context(), dir, nil, "status", "--short"); err != nil || after != before {
		t.Errorf("the user's index was %q and is %q, %v", before, after, err)
	}
	if err := r.Extract(t.Context(), filepath.Join(dir, "a", "missing"), t.TempDir()); err != nil {
		t.Errorf("a folder that was not there: %v", err)
	}
	if err := r.Extract(t.Context(), filepath.Dir(dir), t.TempDir()); err == nil {
		t.Error("a folder outside of the repository is extracted")
	}
}

func TestOpen(t *testing.T) {
	dir := repository(t, map[string]string{"file": "1"})
	run(t, dir, "checkout", "-qb", "feature")
	write(t, dir, map[string]string{"feature": "1"})
	commit(t, dir)
	run(t, dir, "checkout", "-q", "main")
	write(t, dir, map[string]string{"main": "1"})
	commit(t, dir)

	fork, err := Open(t.Context(), dir, "feature...")
	if err != nil {
		t.Fatal(err)
	}
	first, err := Open(t.Context(), dir, "main~1")
	if err != nil {
		t.Fatal(err)
	}
	if fork.Commit != first.Commit {
		t.Errorf("main left feature at %s, not %s", first.Commit, fork.Commit)
	}
	for name, want := range map[string]string{
		"v1": `no revision "v1"`, "--help": `no revision "--help"`, "": `no revision ""`, "main:file": "no revision",
	} {
		if _, err := Open(t.Context(), dir, name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, not %s", name, err, want)
		}
	}
	if _, err := Open(t.Context(), t.TempDir(), "HEAD"); err == nil || !strings.Contains(err.Error(), "not a git repository") {
		t.Errorf("outside of a repository: %v", err)
	}
}
