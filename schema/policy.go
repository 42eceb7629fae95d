package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"sync"

	"cuelang.org/go/cue"
	cueerrors "cuelang.org/go/cue/errors"
)

// policies are the App's own rules for rendered objects.
type policies struct {
	mu   sync.Mutex // CUE evaluates for one at a time
	list []policy
}

type policy struct {
	name     string
	path     string
	kinds    []string // nil is all
	rule     cue.Value
	message  string
	severity Severity
}

// CheckPolicies gives what the App's policies have against rendered objects of a
// unit: a service's name, or "" for what belongs to no service. The objects are as
// in Object.Object. Errors and warnings are in the order of the objects, and are
// told at the service. What the project ignores is left out; see Error.Rule.
func (a *App) CheckPolicies(unit string, objects []map[string]any) Errors {
	if a.policies == nil {
		return nil
	}
	a.policies.mu.Lock()
	defer a.policies.mu.Unlock()
	var errs Errors
	for _, o := range objects {
		kind, _ := o["kind"].(string)
		var value cue.Value
		for _, p := range a.policies.list {
			if p.kinds != nil && !slices.Contains(p.kinds, kind) {
				continue
			}
			if !value.Exists() {
				value = p.rule.Context().Encode(o) //nolint:staticcheck // deprecated for values of several contexts; here there is one
			}
			if err := p.rule.Unify(value).Validate(cue.Concrete(true)); err != nil {
				errs = append(errs, a.broken(p, unit, o, err))
			}
		}
	}
	return a.unignored(errs)
}

// broken says how an object breaks a policy.
func (a *App) broken(p policy, unit string, object map[string]any, err error) *Error {
	kind, _ := object["kind"].(string)
	meta, _ := object["metadata"].(map[string]any)
	path := "objects"
	if unit != "" {
		path = "services." + unit
	}
	e := &Error{
		Rule: "policy/" + p.name, Severity: p.severity, Pos: a.Position(path), Path: path,
		Message: fmt.Sprintf("the %s %q breaks the policy %s", kind, meta["name"], p.name),
		Hint:    p.message,
	}
	if pos := a.Position(p.path); pos.IsValid() {
		e.Related = []Pos{pos}
	}
	var why []string
	for _, c := range cueerrors.Errors(err) {
		if line := violation(object, c); !slices.Contains(why, line) {
			why = append(why, line)
		}
	}
	e.Why = strings.Join(why, "; ")
	return ruled(e)
}

// violation says what is wrong with a field of an object.
func violation(object map[string]any, c cueerrors.Error) string {
	path := c.Path()
	var value any = object
	there := true
	for _, name := range path {
		name = strings.Trim(name, `"`)
		switch v := value.(type) {
		case map[string]any:
			value, there = v[name]
		case []any:
			i := slices.IndexFunc(v, func(any) bool { return false })
			_, _ = fmt.Sscanf(name, "%d", &i)
			if there = i >= 0 && i < len(v); there {
				value = v[i]
			}
		default:
			there = false
		}
		if !there {
			break
		}
	}
	text := c.Error()
	at := cmp.Or(plainPath(path), "it")
	switch {
	case !there:
		return at + " is missing"
	case strings.Contains(text, "field not allowed"):
		return at + " may not be there"
	default:
		return fmt.Sprintf("%s is %s", at, sketch(value))
	}
}
