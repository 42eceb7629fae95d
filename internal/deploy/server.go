package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/openapi"
	"github.com/shipit-dev/shipit/render"
	"github.com/shipit-dev/shipit/schema"
	"github.com/shipit-dev/shipit/schema/rule"
	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// againstCluster is the code of what a cluster would refuse or warn of.
const againstCluster schema.Code = "cluster"

// UncheckedError says that an environment was not checked against its cluster, or
// against Other.
type UncheckedError struct {
	App, Environment string
	Other            string // "its registries"
	Err              error
}

func (e *UncheckedError) Error() string {
	what := e.App
	if e.Environment != "" {
		what = fmt.Sprintf("environment %s of %s", e.Environment, e.App)
	}
	return fmt.Sprintf("%s was not checked against %s: %v", what, cmp.Or(e.Other, "its cluster"), e.Err)
}

// Unwrap gives the cause.
func (e *UncheckedError) Unwrap() error { return e.Err }

// environmentsAtOnce bounds how many environments are checked at the same time.
const environmentsAtOnce = 8

// asked is one environment on its way to its cluster.
type asked struct {
	app    *schema.App
	client *apply.Client
	units  []apply.Unit
	found  []apply.Finding
	err    error
}

// CheckServer adds to validations what the clusters of their environments find:
// all that a deploy looks at before its first write, and nothing is written. The
// clusters are asked side by side; findings are in the order of the environments.
// Images and secrets are not needed: what is built has no digest yet. connect
// makes the client of an environment. The error joins an UncheckedError for each
// environment whose cluster could not be asked.
func CheckServer(ctx context.Context, validations []*Validation, connect func(*schema.App) (*apply.Client, error)) error {
	var all []*asked
	for _, v := range validations {
		for _, app := range v.Apps {
			a := &asked{app: app}
			if a.client, a.err = connect(app); a.err == nil {
				a.units, a.err = Units(app, Unbuilt(app, app.Services), nil)
			}
			all = append(all, a)
		}
	}
	g := &errgroup.Group{}
	g.SetLimit(environmentsAtOnce)
	for _, a := range all {
		if a.err == nil {
			g.Go(func() error {
				a.found, a.err = a.client.Check(ctx, a.units)
				return nil
			})
		}
	}
	_ = g.Wait() // every error is in its environment
	var errs []error
	for _, v := range validations {
		found := make([]schema.Errors, len(v.Apps))
		known := true // by the clusters, which have the definitions of all kinds
		for i, a := range all[:len(v.Apps)] {
			if a.err != nil {
				known = false
				errs = append(errs, &UncheckedError{App: a.app.Name, Environment: a.app.Environment, Err: a.err})
				continue
			}
			for _, f := range a.found {
				found[i] = append(found[i], a.app.Silence(schema.Errors{inCluster(a.app, f)})...)
			}
		}
		all = all[len(v.Apps):]
		if known {
			v.Findings = slices.DeleteFunc(v.Findings, func(e *schema.Error) bool { return e.Rule == openapi.UncheckedKind })
		}
		severe, mild := Severe(slices.Concat(v.Findings, together(v.Apps, found)))
		v.Findings, v.Ignored = slices.Concat(severe, mild), ignored(v.Apps)
	}
	return errors.Join(errs...)
}

// inCluster is a finding with its place in the CUE.
func inCluster(app *schema.App, f apply.Finding) *schema.Error {
	e := &schema.Error{Code: againstCluster, Rule: clusterRule(f), Severity: rule.Error, Message: f.Message}
	if f.Warning {
		e.Severity = rule.Warning
	}
	var hint interface{ Hint() string }
	if errors.As(f.Err, &hint) {
		e.Hint = hint.Hint()
	}
	var call *apply.CallError
	var invalid *apply.InvalidError
	switch {
	case f.Diagnosis != nil:
		e.Message, e.Hint = f.Diagnosis.String(), f.Diagnosis.Hint
		e.Path, e.Pos = Blame(app, f.Diagnosis)
	case errors.As(f.Err, &call):
		at := atCall(app, call)
		e.Path, e.Pos = at.Path, at.Pos
	case errors.As(f.Err, &invalid):
		e.Path, e.Pos = placeOf(app, f.Unit, f.Object, invalid.Field)
	case f.Unit != "" || f.Object.Name != "":
		e.Path, e.Pos = placeOf(app, f.Unit, f.Object, "")
	}
	return e
}

// placeOf is where the CUE says a field of an object, as Kubernetes names it; the
// service or the raw object when no line says it by itself.
func placeOf(app *schema.App, unit string, object apply.Ref, field string) (string, schema.Pos) {
	if s := app.Service(unit); s != nil {
		path := "services." + unit
		if below := behind(s, "."+field); field != "" && below != "" {
			path += "." + below
			return path, app.Position(path)
		}
		return path, app.Position(path + ".patch." + object.Kind + "." + field)
	}
	for _, o := range app.Objects {
		u := unstructured.Unstructured{Object: o.Object}
		if u.GetKind() != object.Kind || u.GetName() != object.Name {
			continue
		}
		if p := app.Position(o.Path + "." + field); p.IsValid() {
			return o.Path, p
		}
		return o.Path, o.Pos
	}
	if unit == render.AppUnit {
		path := map[string]string{"Namespace": "namespaceLabels", "ResourceQuota": "quota", "LimitRange": "limits", "Gateway": "gateways." + object.Name}[object.Kind]
		return cmp.Or(path, "objects"), app.Position(cmp.Or(path, "objects"))
	}
	return "", schema.Pos{}
}
