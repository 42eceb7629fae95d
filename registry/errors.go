package registry

import (
	"fmt"
	"strings"
)

// CompileError is a Go package that the go command could not build.
type CompileError struct {
	Package string // as the caller wrote it: "./web"
	// Output is what the go command said, file names relative to the
	// project's directory, without a trailing newline.
	Output string
	Cgo    []string // files that need cgo, and are left out: "example.com/db/sqlite.go"
}

// Hint says what may be missing, when something is left out.
func (e *CompileError) Hint() string {
	if len(e.Cgo) == 0 {
		return ""
	}
	return "what is missing may need cgo, which images are built without: left out are " + strings.Join(e.Cgo[:min(3, len(e.Cgo))], ", ")
}

func (e *CompileError) Error() string {
	return fmt.Sprintf("%s does not compile:\n%s", e.Package, e.Output)
}

// Lines gives Output line by line, without the "# package" headings.
func (e *CompileError) Lines() []string {
	var lines []string
	for l := range strings.Lines(e.Output) {
		if l = strings.TrimRight(l, "\n"); l != "" && !strings.HasPrefix(l, "# ") {
			lines = append(lines, l)
		}
	}
	return lines
}

// NotMainError is a Go package that is a library, or whose package clause does not
// say "main".
type NotMainError struct {
	Package string // as the caller wrote it: "./web"
	Name    string // what its package clause says
}

func (e *NotMainError) Error() string {
	return fmt.Sprintf("%s is package %s, not package main: it makes no program", e.Package, e.Name)
}

// Hint tells what to write instead.
func (e *NotMainError) Hint() string {
	return "build a directory with `package main` and a func main"
}

// NoModuleError is a Go package with no go.mod in its directory or above.
type NoModuleError struct {
	Package string // as the caller wrote it: "./web"
	Dir     string // the package's directory
}

func (e *NoModuleError) Error() string {
	return fmt.Sprintf("%s is in no Go module: there is no go.mod in %s or above it", e.Package, e.Dir)
}

// Hint tells how to make one.
func (e *NoModuleError) Hint() string {
	return fmt.Sprintf("run `go mod init NAME` in %s", e.Dir)
}

// NoPackageError is a directory that is missing or has no Go files for the
// platform.
type NoPackageError struct {
	Package string // as the caller wrote it: "./web"
	Dir     string // where it was looked for
	Reason  string // "no such directory"
}

func (e *NoPackageError) Error() string {
	return fmt.Sprintf("no Go package at %s: %s (%s)", e.Package, e.Reason, e.Dir)
}

// NoGoError is a machine without the go command.
type NoGoError struct{ Err error }

func (e *NoGoError) Error() string {
	return fmt.Sprintf("the go command is needed to build: %v", e.Err)
}

// Unwrap gives what the operating system said.
func (e *NoGoError) Unwrap() error { return e.Err }

// Hint tells where to get it.
func (e *NoGoError) Hint() string { return "install Go (https://go.dev/dl) and put it in PATH" }

// BrokenGoError is a go command that cannot work on this machine: it has nowhere to
// keep what it makes.
type BrokenGoError struct {
	Output string // what it said, without a trailing newline
}

func (e *BrokenGoError) Error() string { return "the go command cannot work here: " + e.Output }

// Hint tells what to look at.
func (e *BrokenGoError) Hint() string {
	return "`go env GOCACHE GOMODCACHE GOTMPDIR` says where it writes: there must be room, and the right to"
}

// BadPlatformError is a platform that cannot be built for.
type BadPlatformError struct{ Platform, Reason string }

func (e *BadPlatformError) Error() string {
	return fmt.Sprintf("platform %q: %s", e.Platform, e.Reason)
}

// BadReferenceError is an image reference or repository that does not parse.
type BadReferenceError struct {
	Reference string // without what may be a credential
	Reason    string
}

func (e *BadReferenceError) Error() string {
	return fmt.Sprintf("%q is not an image reference: %s", e.Reference, e.Reason)
}

// UnreachableError is a registry that does not answer, or answers only with server
// errors.
type UnreachableError struct {
	Registry string // host[:port]
	Err      error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("registry %s cannot be reached: %v", e.Registry, e.Err)
}

// Unwrap gives the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// AnswerError is a server that answers as no registry does, so that nothing of it is
// believed.
type AnswerError struct {
	Registry string // host[:port]
	Reason   string
}

func (e *AnswerError) Error() string {
	return fmt.Sprintf("what answers at %s is no registry, or a broken one: %s", e.Registry, e.Reason)
}

// Hint tells what may be in the way.
func (e *AnswerError) Hint() string {
	return "check the registry's address, and whether a proxy or a login page answers in its place"
}

// UnauthorizedError is a registry that refuses the credentials, or their absence.
// Some registries, Docker Hub among them, say so of a repository that does
// not exist.
type UnauthorizedError struct {
	Registry   string // host[:port]
	Repository string // path below the registry
	Anonymous  bool   // no credentials were found for the registry
	Reason     string // what the registry said
}

func (e *UnauthorizedError) Error() string {
	with := "with the credentials found"
	if e.Anonymous {
		with = "without credentials"
	}
	return fmt.Sprintf("registry %s refuses access to %s %s: %s", e.Registry, e.Repository, with, e.Reason)
}

// Hint tells how to log in.
func (e *UnauthorizedError) Hint() string {
	return fmt.Sprintf("log in with `docker login %s` (or podman, crane), and check the repository's name", e.Registry)
}

// NotFoundError is an image, or a repository, that the registry does not have.
type NotFoundError struct{ Reference string }

func (e *NotFoundError) Error() string { return fmt.Sprintf("image %s does not exist", e.Reference) }

// RefusedError is a registry that does not accept what was pushed.
type RefusedError struct {
	Registry   string // host[:port]
	Repository string // path below the registry
	Reason     string // what the registry said
}

func (e *RefusedError) Error() string {
	return fmt.Sprintf("registry %s refuses %s: %s", e.Registry, e.Repository, e.Reason)
}
