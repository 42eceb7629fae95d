package schema

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"cuelang.org/go/cue/build"
	cueerrors "cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/load"
	"github.com/shipit-dev/shipit/schema/rule"
)

// loadErrors translates what CUE's loader found: the syntax of files, imports,
// packages and tags.
func (p Project) loadErrors(inst *build.Instance) Errors {
	var multiple *load.MultiplePackageError
	var none *load.NoFilesError
	switch {
	case errors.As(inst.Err, &multiple):
		return Errors{{
			Code:    rule.NoApp,
			Pos:     Pos{File: multiple.Files[1], Line: 1, Column: 1},
			Message: fmt.Sprintf("the package here is %s, but %s is of package %s", multiple.Packages[1], multiple.Files[0], multiple.Packages[0]),
			Why:     "a folder holds one package",
			Hint:    "give both the same package name, or move one file to a folder of its own",
			Raw:     multiple.Error(),
		}}
	case errors.As(inst.Err, &none):
		if errs := p.unread(inst); len(errs) > 0 {
			for _, e := range errs {
				e.Severity = rule.Error // as there is no other file
			}
			return errs
		}
		return p.excluded(inst, none.Error())
	}
	var errs, tags Errors
	for _, c := range cueerrors.Errors(inst.Err) {
		e := p.loadError(c)
		if m := badTag.FindStringSubmatch(e.Raw); m != nil {
			e.Pos = p.tagPlace(inst, m[2])
		}
		if e.Code == rule.Tag && !e.Pos.IsValid() {
			tags = append(tags, e)
		} else {
			errs = append(errs, e)
		}
	}
	if len(errs) > 0 {
		errs = behindUnquoted(p.withPasted(errs))
		return withoutConsequences(joined(errs)) // a file that is not understood may have used the tag
	}
	return tags
}

// withPasted tells of files that are Kubernetes objects in place of what CUE does not
// understand in them.
func (p Project) withPasted(errs Errors) Errors {
	var kept Errors
	objects := map[string]Errors{}
	for _, e := range errs {
		file := e.Pos.File
		if e.Code != rule.Syntax || e.Pos.Module != "" || file == "" {
			kept = append(kept, e)
			continue
		}
		pasted, known := objects[file]
		if !known {
			pasted = p.pasted(file)
			objects[file] = pasted
			kept = append(kept, pasted...)
		}
		if pasted == nil {
			kept = append(kept, e)
		}
	}
	return kept
}

// joined tells once of a module that several packages are imported from.
func joined(errs Errors) Errors {
	var list Errors
	for _, e := range errs {
		i := slices.IndexFunc(list, func(known *Error) bool { return e.Rule == rule.ModuleFetch && e.Message == known.Message })
		if i < 0 {
			list = append(list, e)
			continue
		}
		list[i].Related = append(list[i].Related, e.Related...)
	}
	return list
}

// unread tells of files that CUE passes over because they name no package.
func (p Project) unread(inst *build.Instance) Errors {
	var errs Errors
	for _, f := range inst.IgnoredFiles {
		if f.ExcludeReason != nil && strings.Contains(f.ExcludeReason.Error(), "no package name") {
			errs = append(errs, &Error{
				Rule:    rule.FileUnread,
				Pos:     Pos{File: p.file(f.Filename), Line: 1, Column: 1},
				Message: "this file is not read, as it names no package",
				Hint:    "begin it with \"package\" and the same name in every file here",
			})
		}
	}
	return errs
}

// missingImport gives the package that the first of errs misses, or "".
func missingImport(errs Errors) string {
	for _, e := range errs {
		if m := noPackage.FindStringSubmatch(e.Raw); m != nil && e.Code == rule.Import {
			return m[1]
		}
	}
	return ""
}

var (
	unusedTag = regexp.MustCompile(`tag "([^"]*)" not used in any file|no tag for "([^"]*)"`)
	badTag    = regexp.MustCompile(`invalid (\w+) for injection tag "([^"]*)"`)
	noPackage = regexp.MustCompile(`cannot find package "([^"]*)"`)
	newer     = regexp.MustCompile(`language version "([^"]*)" declared in module.cue is too new for current language version "([^"]*)"`)
)

const unusedImport = "remove the import; or, when a field of the same name hides it, give it another: import other \"…\""

func (p Project) loadError(c cueerrors.Error) *Error {
	text := c.Error()
	message := strings.TrimPrefix(strings.NewReplacer("'EOF'", "the end of the file", "'_|_' _|_", "an error").Replace(text), "import failed: ")
	e := &Error{Code: rule.Syntax, Pos: p.firstPos(c), Raw: text}
	switch {
	case unusedTag.MatchString(text):
		m := unusedTag.FindStringSubmatch(text)
		e.Code = rule.Tag
		e.Message = fmt.Sprintf("no file uses the tag %q", m[1]+m[2])
		e.Hint = "remove it from the command line, or mark a field with @tag(" + m[1] + m[2] + ")"
	case badTag.MatchString(text):
		m := badTag.FindStringSubmatch(text)
		e.Code = rule.Tag
		e.Message = fmt.Sprintf("the tag %q must be a valid %s", m[2], m[1])
		e.Hint = fmt.Sprintf("give another on the command line: -t %s=…", m[2])
	case p.moduleFailed(e):
	case strings.Contains(text, "import cycle"):
		e.Code = rule.Import
		e.Message = "packages import each other in a circle"
		e.Hint = "move what both need to a third package"
	case noPackage.MatchString(text):
		p.noPackage(e, noPackage.FindStringSubmatch(text)[1])
	case strings.Contains(text, "imported and not used"):
		e.Message = message
		e.Hint = unusedImport
	case newer.MatchString(text):
		m := newer.FindStringSubmatch(text)
		p.moduleError(e, fmt.Sprintf("this project is written in CUE %s, but this shipit knows CUE up to %s", m[1], m[2]))
		e.Hint = "use a newer shipit, or an older language version there"
	case strings.Contains(text, "no language version declared"):
		p.moduleError(e, "the module names no version of CUE")
		e.Hint = fmt.Sprintf("add language: version: %q", cueVersion)
	case !e.Pos.IsValid() && strings.Contains(text, "module"), strings.HasSuffix(e.Pos.File, moduleFile):
		if _, rest, ok := strings.Cut(message, "module.cue: "); ok {
			message = rest
		}
		p.moduleError(e, "CUE does not understand this module file: "+clean(tokens.ReplaceAllString(message, "")))
	default:
		e.Pos = p.lastPos(c)
		p.syntaxError(e, message)
	}
	return e
}

// moduleError makes e one about the module file.
func (p Project) moduleError(e *Error, message string) {
	e.Message = message
	if !strings.HasSuffix(e.Pos.File, moduleFile) {
		e.Pos = Pos{File: p.file(filepath.Join(p.Root, filepath.FromSlash(moduleFile))), Line: 1, Column: 1}
	}
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
