package deploy

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/openapi"
	"github.com/shipit-dev/shipit/render"
	"github.com/shipit-dev/shipit/schema"
	"github.com/shipit-dev/shipit/schema/rule"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// againstKubernetes is the code of what the API server would refuse or warn of.
const againstKubernetes schema.Code = "kubernetes"

// Check says what is wrong with an app's rendered objects: what the API server of
// the environment's Kubernetes version would refuse by its schemas, and what the
// app's own policies forbid. Warnings are among it.
func Check(app *schema.App, units []render.Unit) (schema.Errors, error) {
	version := app.Kubernetes
	if version == "" {
		known := openapi.Versions()
		version = known[len(known)-1]
	}
	known := make([]*unstructured.Unstructured, len(app.CRDs))
	for i, o := range app.CRDs {
		known[i] = &unstructured.Unstructured{Object: o.Object}
	}
	validator, err := openapi.New(version, known...)
	var unknown *openapi.VersionError
	if errors.As(err, &unknown) {
		return schema.Errors{unknownVersion(app, unknown)}, nil
	}
	if err != nil {
		return nil, err
	}
	// All at once, since the kinds of some objects are defined by others.
	var objects []*unstructured.Unstructured
	var owners []string
	var errs schema.Errors
	for _, u := range units {
		service := u.Name
		if u.Name == render.AppUnit {
			service = ""
		}
		fields := make([]map[string]any, len(u.Objects))
		for i, o := range u.Objects {
			fields[i] = o.Object
			objects, owners = append(objects, o), append(owners, service)
		}
		errs = append(errs, app.CheckPolicies(service, fields)...)
	}
	unchecked := map[string]*schema.Error{}
	more := map[*schema.Error]int{}
	for _, f := range validator.Validate(objects) {
		e := found(app, owners[f.Object], f)
		if f.Rule == openapi.UncheckedKind {
			if first := unchecked[f.Message]; first != nil {
				more[first] += len(app.Silence(schema.Errors{e}))
				continue
			}
			e.Hint = uncheckedHint(f.Hint)
		}
		kept := app.Silence(schema.Errors{e})
		if f.Rule == openapi.UncheckedKind && len(kept) > 0 {
			unchecked[f.Message] = e
		}
		errs = append(errs, kept...)
	}
	for e, n := range more {
		if n > 0 {
			e.Message += fmt.Sprintf(" (%d more of them are here)", n)
		}
	}
	return errs, nil
}

// unknownVersion is a version of Kubernetes that nothing is known of, where it is
// written: for the environment, or for all of them.
func unknownVersion(app *schema.App, err *openapi.VersionError) *schema.Error {
	e := &schema.Error{
		Code: againstKubernetes, Rule: rule.WrongValue, Severity: rule.Error, Path: "kubernetes",
		Message: err.Error(),
		Hint:    fmt.Sprintf("write the nearest version that is known: kubernetes: %q", err.Nearest()),
	}
	if environment := "environments." + app.Environment; app.Environment != "" && app.Position(environment+".kubernetes") != app.Position(environment) {
		e.Path = environment + ".kubernetes"
	}
	e.Pos = app.Position(e.Path)
	return e
}

// uncheckedHint says how a definition is given, in the words of the CUE.
func uncheckedHint(hint string) string {
	const give = "give its CustomResourceDefinition to have it checked"
	return strings.Replace(hint, give, "to have it checked, write crds: \"crds\" for a folder with its CustomResourceDefinition, or ask the cluster with --server", 1)
}

// found is a finding with the place in the CUE, or in the file of a raw object,
// that it comes from.
func found(app *schema.App, service string, f openapi.Finding) *schema.Error {
	e := &schema.Error{
		Code: againstKubernetes, Rule: f.Rule, Severity: rule.Severity(f.Severity),
		Message: fmt.Sprintf("%s %q: %s", f.Kind, f.Name, f.Message), Why: f.Why, Hint: f.Hint,
	}
	if at := f.Path.String(); at != "" && !strings.Contains(f.Message, at) {
		e.Message = fmt.Sprintf("%s %q: %s: %s", f.Kind, f.Name, at, f.Message)
	}
	if service != "" {
		e.Path = "services." + service
		e.Pos = app.Position(e.Path + ".patch." + f.Kind + "." + f.Path.String())
		s := app.Service(service)
		if s == nil || e.Pos != app.Position(e.Path) {
			return e // a patch says it
		}
		if way, ok := strings.CutPrefix(f.Name, service+"-"); ok && slices.ContainsFunc(s.Expose, func(x schema.Expose) bool { return x.Name == way }) {
			e.Path += ".expose." + way
			e.Pos = app.Position(e.Path)
		}
		return e
	}
	for _, o := range app.Objects {
		u := unstructured.Unstructured{Object: o.Object}
		if u.GetKind() != f.Kind || u.GetName() != f.Name {
			continue
		}
		e.Path, e.Pos = o.Path, o.Pos
		if p := app.Position(o.Path + "." + f.Path.String()); p.IsValid() {
			e.Pos = p
		}
		return e
	}
	e.Path, e.Pos = placeOf(app, render.AppUnit, apply.Ref{Kind: f.Kind, Name: f.Name}, "")
	return e
}

// CheckAll is Check for several environments of one app, rendered without their
// images: what is found in several is said once, with their names when those
// are not all.
func CheckAll(apps ...*schema.App) (schema.Errors, error) {
	all := make([]schema.Errors, len(apps))
	for i, app := range apps {
		units, err := Render(app, Unbuilt(app, app.Services), nil)
		if errors.As(err, &all[i]) {
			continue // nothing was made that could be checked
		}
		if err != nil {
			return nil, err
		}
		if all[i], err = Check(app, units); err != nil {
			return nil, err
		}
	}
	return together(apps, all), nil
}

// together joins what was found in each of several environments: what is in
// several is said once, with their names when those are not all.
func together(apps []*schema.App, found []schema.Errors) schema.Errors {
	var errs schema.Errors
	seen := map[string]*schema.Error{}
	for i, app := range apps {
		for _, e := range found[i] {
			key := e.Rule + e.Error()
			if seen[key] == nil {
				seen[key] = e
				errs = append(errs, e)
			}
			if in := seen[key]; app.Environment != "" && !slices.Contains(in.Environments, app.Environment) {
				in.Environments = append(in.Environments, app.Environment)
			}
		}
	}
	for _, e := range errs {
		if len(e.Environments) == len(apps) {
			e.Environments = nil
		}
	}
	return errs
}

// Severe parts errors from warnings.
func Severe(errs schema.Errors) (severe, mild schema.Errors) {
	for _, e := range errs {
		if e.Severity == rule.Warning {
			mild = append(mild, e)
		} else {
			severe = append(severe, e)
		}
	}
	return severe, mild
}
