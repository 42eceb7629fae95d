package schema

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"cuelang.org/go/cue/build"
	cueerrors "cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/load"
)

// loadErrors translates what CUE's loader found: the syntax of files, imports,
// packages and tags.
func (p Project) loadErrors(inst *build.Instance) Errors {
	var multiple *load.MultiplePackageError
	if errors.As(inst.Err, &multiple) {
		e := &Error{
			Code:    NoApp,
			Pos:     Pos{File: multiple.Files[1], Line: 1, Column: 1},
			Message: fmt.Sprintf("the package here is %s, but %s is of package %s", multiple.Packages[1], multiple.Files[0], multiple.Packages[0]),
			Why:     "a folder holds one package",
			Hint:    "give both the same package name, or move one file to a folder of its own",
			Raw:     multiple.Error(),
		}
		return Errors{e}
	}
	var errs Errors
	for _, c := range cueerrors.Errors(inst.Err) {
		errs = append(errs, p.loadError(c))
	}
	return errs
}

var (
	unusedTag  = regexp.MustCompile(`tag "([^"]*)" not used in any file|no tag for "([^"]*)"`)
	noPackage  = regexp.MustCompile(`cannot find package "([^"]*)"`)
	tagProblem = regexp.MustCompile(`(?i)\btag\b`)
)

func (p Project) loadError(c cueerrors.Error) *Error {
	text := c.Error()
	e := &Error{Code: Syntax, Pos: p.firstPos(c), Raw: text}
	format, args := c.Msg()
	message := strings.TrimPrefix(fmt.Sprintf(format, args...), "import failed: ")
	switch {
	case unusedTag.MatchString(text):
		m := unusedTag.FindStringSubmatch(text)
		e.Code = Tag
		e.Message = fmt.Sprintf("no file uses the tag %q", m[1]+m[2])
		e.Hint = "remove it from the command line, or mark a field with @tag(" + m[1] + m[2] + ")"
	case strings.Contains(text, outsideFormat):
		e.Code = Import
		e.Message = outsideFormat
		e.Why = "only files of the project are read"
	case strings.Contains(text, "import cycle"):
		e.Code = Import
		e.Message = "packages import each other in a circle"
	case noPackage.MatchString(text):
		name := noPackage.FindStringSubmatch(text)[1]
		e.Code = Import
		e.Message = fmt.Sprintf("there is no package %q", name)
		e.Why = "packages come from this project, its cue.mod/pkg, or CUE itself"
		if strings.HasPrefix(name, "shipit.dev") {
			e.Hint = fmt.Sprintf("did you mean %q?", importPath)
		}
	case strings.Contains(text, "no CUE files"), strings.Contains(text, "build constraints exclude all"):
		e.Code = NoApp
		e.Message = "no CUE file here takes part in the package"
		e.Why = "files with @if(…) need a tag, and those that end with _tool.cue or _test.cue never do"
	case tagProblem.MatchString(message) && !e.Pos.IsValid():
		e.Code = Tag
		e.Message = clean(message)
	default:
		e.Message = "CUE does not understand this: " + clean(message)
		if strings.Contains(message, "imported and not used") {
			e.Message = clean(message)
			e.Hint = "remove the import"
		}
	}
	return e
}

// firstPos gives the first place of an error that the user can see.
func (p Project) firstPos(c cueerrors.Error) Pos {
	for _, t := range cueerrors.Positions(c) {
		if pos := p.pos(t); pos.IsValid() {
			return pos
		}
	}
	return Pos{}
}
