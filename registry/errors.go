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

// NotMain is a Go package that is a library, or whose package clause does not
// say "main".
type NotMain struct {
	Package string // as the caller wrote it: "./web"
	Name    string // what its package clause says
}

func (e *NotMain) Error() string {
	return fmt.Sprintf("%s is package %s, not package main: it makes no program", e.Package, e.Name)
}

// Hint tells what to write instead.
func (e *NotMain) Hint() string {
	return "build a directory with `package main` and a func main"
}

// NoModule is a Go package with no go.mod in its directory or above.
type NoModule struct {
	Package string // as the caller wrote it: "./web"
	Dir     string // the package's directory
}

func (e *NoModule) Error() string {
	return fmt.Sprintf("%s is in no Go module: there is no go.mod in %s or above it", e.Package, e.Dir)
}

// Hint tells how to make one.
func (e *NoModule) Hint() string {
	return fmt.Sprintf("run `go mod init NAME` in %s", e.Dir)
}

// NoPackage is a directory that is missing or has no Go files for the
// platform.
type NoPackage struct {
	Package string // as the caller wrote it: "./web"
	Dir     string // where it was looked for
	Reason  string // "no such directory"
}

func (e *NoPackage) Error() string {
	return fmt.Sprintf("no Go package at %s: %s (%s)", e.Package, e.Reason, e.Dir)
}

// NoGo is a machine without the go command.
type NoGo struct{ Err error }

func (e *NoGo) Error() string { return fmt.Sprintf("the go command is needed to build: %v", e.Err) }

// Unwrap gives what the operating system said.
func (e *NoGo) Unwrap() error { return e.Err }

// Hint tells where to get it.
func (e *NoGo) Hint() string { return "install Go (https://go.dev/dl) and put it in PATH" }

// BadPlatform is a platform that cannot be built for.
type BadPlatform struct{ Platform, Reason string }

func (e *BadPlatform) Error() string { return fmt.Sprintf("platform %q: %s", e.Platform, e.Reason) }

// BadReference is an image reference or repository that does not parse.
type BadReference struct {
	Reference string // without what may be a credential
	Reason    string
}

func (e *BadReference) Error() string {
	return fmt.Sprintf("%q is not an image reference: %s", e.Reference, e.Reason)
}

// Unreachable is a registry that does not answer, or answers only with server
// errors.
type Unreachable struct {
	Registry string // host[:port]
	Err      error
}

func (e *Unreachable) Error() string {
	return fmt.Sprintf("registry %s cannot be reached: %v", e.Registry, e.Err)
}

// Unwrap gives the cause.
func (e *Unreachable) Unwrap() error { return e.Err }

// Unauthorized is a registry that refuses the credentials, or their absence.
// Some registries, Docker Hub among them, say so of a repository that does
// not exist.
type Unauthorized struct {
	Registry   string // host[:port]
	Repository string // path below the registry
	Anonymous  bool   // no credentials were found for the registry
	Reason     string // what the registry said
}

func (e *Unauthorized) Error() string {
	with := "with the credentials found"
	if e.Anonymous {
		with = "without credentials"
	}
	return fmt.Sprintf("registry %s refuses access to %s %s: %s", e.Registry, e.Repository, with, e.Reason)
}

// Hint tells how to log in.
func (e *Unauthorized) Hint() string {
	return fmt.Sprintf("log in with `docker login %s` (or podman, crane), and check the repository's name", e.Registry)
}

// NotFound is an image, or a repository, that the registry does not have.
type NotFound struct{ Reference string }

func (e *NotFound) Error() string { return fmt.Sprintf("image %s does not exist", e.Reference) }

// Refused is a registry that does not accept what was pushed.
type Refused struct {
	Registry   string // host[:port]
	Repository string // path below the registry
	Reason     string // what the registry said
}

func (e *Refused) Error() string {
	return fmt.Sprintf("registry %s refuses %s: %s", e.Registry, e.Repository, e.Reason)
}
