// Package revision reads what a git repository held at a revision, and what has
// changed since. It runs the git program, which a repository's user has, so that
// its settings, filters and forms of storage all count. It is a package of its
// own as no room but the composition has a use for it.
package revision

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Revision is a commit of the repository around a folder.
type Revision struct {
	Root   string // of the repository's files, absolute and without links
	Commit string // its hash, or that of the empty tree before the first commit
}

// Open finds the repository around dir and the commit that name means: a branch,
// a tag, a hash or the like; HEAD may have none yet. A name that ends in "..." means the commit at which
// HEAD left that branch, as in `git diff`.
func Open(ctx context.Context, dir, name string) (*Revision, error) {
	root, err := git(ctx, dir, nil, "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, err
	}
	r := &Revision{Root: filepath.FromSlash(strings.TrimSuffix(root, "\n"))}
	tip, fork := strings.CutSuffix(name, "...")
	commit, err := git(ctx, dir, nil, "rev-parse", "--verify", "--quiet", "--end-of-options", tip+"^{commit}")
	if err != nil && name == "HEAD" && ctx.Err() == nil {
		// Nothing is committed yet: all is new.
		commit, err = git(ctx, dir, &call{in: strings.NewReader("")}, "hash-object", "-t", "tree", "--stdin")
	}
	if err != nil {
		return nil, fmt.Errorf("git knows no revision %q here (is it fetched?)", tip)
	}
	if fork {
		if commit, err = git(ctx, dir, nil, "merge-base", strings.TrimSpace(commit), "HEAD"); err != nil {
			return nil, fmt.Errorf("%s and HEAD have no commit in common (is the clone a shallow one?)", tip)
		}
	}
	r.Commit = strings.TrimSpace(commit)
	return r, nil
}

// Changed gives the files, as absolute paths, that differ from the revision:
// committed since, staged, edited, deleted, or new and not ignored.
func (r *Revision) Changed(ctx context.Context) ([]string, error) {
	differ, err := git(ctx, r.Root, nil, "diff", "--name-only", "--no-renames", "--no-ext-diff", "-z", r.Commit, "--")
	if err != nil {
		return nil, err
	}
	unknown, err := git(ctx, r.Root, nil, "ls-files", "--others", "--exclude-standard", "-z")
	if err != nil {
		return nil, err
	}
	var files []string
	for name := range strings.SplitSeq(strings.TrimSuffix(differ+unknown, "\x00"), "\x00") {
		if name != "" {
			files = append(files, filepath.Join(r.Root, filepath.FromSlash(name)))
		}
	}
	return files, nil
}

// Extract writes the files that the revision has in folder, an absolute path in
// the repository, into the folder into, by the names that they have in folder.
func (r *Revision) Extract(ctx context.Context, folder, into string) error {
	rel, err := filepath.Rel(r.Root, folder)
	if err != nil || !filepath.IsLocal(rel) {
		return fmt.Errorf("%s is not in the repository %s", folder, r.Root)
	}
	// An index and a place for files of our own: the user's stay as they are.
	own, err := os.MkdirTemp("", "shipit-revision-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(own)
	files := filepath.Join(own, "files")
	env := []string{"GIT_INDEX_FILE=" + filepath.Join(own, "index")}
	if _, err := git(ctx, r.Root, &call{env: env}, "read-tree", r.Commit); err != nil {
		return err
	}
	names, err := git(ctx, r.Root, &call{env: env}, "--literal-pathspecs", "ls-files", "-z", "--", rel)
	if err != nil || names == "" {
		return err
	}
	in := strings.NewReader(names)
	if _, err := git(ctx, r.Root, &call{env: env, in: in}, "checkout-index", "-z", "--stdin", "--prefix="+files+"/"); err != nil {
		return err
	}
	if err := os.Remove(into); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return os.Rename(filepath.Join(files, rel), into)
}

// call is what is special about running git.
type call struct {
	env []string
	in  io.Reader
}

func git(ctx context.Context, dir string, c *call, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = dir
	if c != nil {
		cmd.Env, cmd.Stdin = append(cmd.Environ(), c.env...), c.in
	}
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case errors.Is(err, exec.ErrNotFound):
		return "", errors.New("git is not installed, or not in PATH")
	case err != nil:
		said := strings.TrimPrefix(strings.TrimSpace(complaint.String()), "fatal: ")
		return "", fmt.Errorf("git %s: %s", args[0], said)
	}
	return out.String(), nil
}
