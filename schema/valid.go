package schema

import (
	"strings"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/rule"
)

// validate checks that an App's value has no errors and leaves nothing open,
// but for what may be open: environments, whose parts make sense only together
// with the rest, and services that are not enabled.
func validate(value cue.Value, env environment) error {
	err := value.Validate(cue.Concrete(true))
	if err == nil {
		return nil
	}
	fields, ferr := value.Fields(cue.Hidden(true), cue.Definitions(true))
	if ferr != nil || value.IncompleteKind() == cue.BottomKind && !childrenOnly(value) {
		return err
	}
	excused := false // err may be about what may be open
	for fields.Next() {
		f, sel := fields.Value(), fields.Selector()
		switch {
		case sel.String() == "environments":
			if err := validateEnvironments(f, env); err != nil {
				return err
			}
			excused = excused || f.Validate(cue.Concrete(true)) != nil
		case sel.String() == "policy":
			if err := validatePolicies(f); err != nil {
				return err
			}
			excused = excused || f.Validate(cue.Concrete(true)) != nil
		case sel.String() == "services":
			open, err := validateServices(f)
			if err != nil {
				return err
			}
			excused = excused || open
		case !sel.IsString():
			if err := f.Validate(); err != nil {
				return err
			}
		default:
			if err := f.Validate(cue.Concrete(true)); err != nil {
				return err
			}
		}
	}
	if !excused {
		return err
	}
	return nil
}

// validateEnvironments checks all but what is in parts of services.
func validateEnvironments(environments cue.Value, chosen environment) error {
	envs, err := environments.Fields()
	if err != nil {
		return err
	}
	for envs.Next() {
		if envs.Selector().LabelType() != cue.StringLabel {
			return environments.Err() // a list that has something wrong in it
		}
		fields, err := envs.Value().Fields()
		if err != nil {
			return err
		}
		for fields.Next() {
			if fields.Selector().String() != "services" {
				concrete := cue.Concrete(envs.Selector().Unquoted() == chosen.name)
				if fields.Selector().String() == "policy" {
					if err := validatePolicies(fields.Value()); err != nil {
						return err
					}
					continue
				}
				if err := fields.Value().Validate(concrete); err != nil {
					return err
				}
				continue
			}
			services, err := fields.Value().Fields()
			if err != nil {
				return err
			}
			for services.Next() {
				if _, err := services.Value().Fields(); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// validatePolicies checks all but what the rules leave open for objects.
func validatePolicies(policies cue.Value) error {
	list, err := policies.Fields()
	if err != nil {
		return err
	}
	for list.Next() {
		fields, err := list.Value().Fields()
		if err != nil {
			return err
		}
		for fields.Next() {
			concrete := cue.Concrete(fields.Selector().String() != "rule")
			if err := fields.Value().Validate(concrete); err != nil {
				return err
			}
		}
	}
	return nil
}

// validateServices also reports whether a service that is not enabled is left
// open.
func validateServices(services cue.Value) (open bool, err error) {
	fields, err := services.Fields()
	if err != nil {
		return false, err
	}
	for fields.Next() {
		s := fields.Value()
		on, err := s.LookupPath(cue.ParsePath("enabled")).Bool()
		if err == nil && !on {
			open = open || s.Validate(cue.Concrete(true)) != nil
			err = s.Validate()
		} else {
			err = s.Validate(cue.Concrete(true))
		}
		if err != nil {
			return open, err
		}
	}
	return open, nil
}

// ofRule reports whether an error is about what the rule of a policy leaves open.
func ofRule(e *Error) bool {
	parts := strings.Split(e.Path, ".")
	if parts[0] == "environments" && len(parts) > 2 {
		parts = parts[2:]
	}
	return len(parts) > 3 && parts[0] == "policy" && parts[2] == "rule" &&
		(e.Code == rule.NoValue || e.Code == rule.Reference && strings.Contains(e.Raw, "undefined field"))
}

// tolerate takes out of errs what does not matter in an environment, and what
// is only missing in services that are not enabled.
func tolerate(errs Errors, tree *node, env environment) Errors {
	disabled := map[string]bool{}
	for _, s := range sorted(tree.get("services")) {
		if !s.get("enabled").bool(true) {
			disabled[s.path] = true
		}
	}
	var kept Errors
	for _, e := range errs {
		if env.tolerates(e) || ofRule(e) {
			continue
		}
		if parts := strings.SplitN(e.Path, ".", 3); (e.Code == rule.NoValue || e.Code == rule.MissingField) && len(parts) > 1 &&
			disabled[parts[0]+"."+parts[1]] {
			continue
		}
		kept = append(kept, e)
	}
	return kept
}
