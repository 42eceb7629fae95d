package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"cuelang.org/go/cue"
	cueerrors "cuelang.org/go/cue/errors"
	"github.com/shipit-dev/shipit/schema/rule"
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
	severity rule.Severity
}

// policies decodes the App's own rules; nil is none.
func (d *decoder) policies(n *node) *policies {
	var list []policy
	for _, f := range sorted(n) {
		must := f.get("rule")
		if !f.is(cue.StructKind) || !must.is(cue.StructKind) {
			continue
		}
		list = append(list, policy{
			name: f.name, path: f.path, kinds: f.get("kinds").strings(), rule: must.value, message: f.get("message").str(),
			severity: cmp.Or(rule.Severity(f.get("severity").str()), rule.Error),
		})
	}
	if list == nil {
		return nil
	}
	return &policies{list: list}
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
	return a.Silence(errs)
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
	var of []string // where the rule is, which may be in another package
	for _, s := range p.rule.Path().Selectors() {
		of = append(of, s.String())
	}
	var why []string
	for _, c := range cueerrors.Errors(err) {
		path := strings.Split(strings.TrimPrefix(strings.TrimPrefix(plainPath(c.Path()), plainPath(of)), "."), ".")
		if line := p.violation(object, path, c.Error()); !slices.Contains(why, line) {
			why = append(why, line)
		}
	}
	slices.Sort(why)
	e.Why = strings.Join(why, "; ")
	return ruled(e)
}

// violation says what is wrong with a field of an object.
func (p policy) violation(object map[string]any, path []string, problem string) string {
	at := cmp.Or(strings.Join(path, "."), "it")
	var value any = object
	rule := p.rule
	for _, name := range path {
		there := false
		next := cue.Str(name).Optional()
		switch v := value.(type) {
		case map[string]any:
			value, there = v[name]
		case []any:
			next = cue.AnyIndex
			if i, err := strconv.Atoi(name); err == nil && i < len(v) {
				value, there = v[i], true
				if own := rule.LookupPath(cue.MakePath(cue.Index(i))); own.Exists() {
					next = cue.Index(i)
				}
			}
		}
		if !there {
			return at + " is missing"
		}
		if own := rule.LookupPath(cue.MakePath(cue.Str(name))); own.Exists() {
			rule = own
		} else {
			rule = rule.LookupPath(cue.MakePath(next))
		}
	}
	switch {
	case strings.Contains(problem, "field not allowed"):
		return at + " may not be there"
	case !rule.Exists() || len(fmt.Sprint(rule)) > 100 || rule.IncompleteKind() == cue.StructKind:
		return fmt.Sprintf("%s is %s", at, sketch(value))
	}
	return fmt.Sprintf("%s is %s, but must be %v", at, sketch(value), rule)
}
