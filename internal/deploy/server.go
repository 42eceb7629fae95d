package deploy

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/render"
	"github.com/shipit-dev/shipit/schema"
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

// CheckServer adds to v what the clusters of its environments find: all that a
// deploy looks at before its first write, and nothing is written. connect makes
// the client of an environment. The error joins an UncheckedError for each
// environment whose cluster could not be asked.
func (v *Validation) CheckServer(ctx context.Context, connect func(*schema.App) (*apply.Client, error)) error {
	var errs []error
	found := make([]schema.Errors, len(v.Apps))
	for i, app := range v.Apps {
		client, err := connect(app)
		if err == nil {
			found[i], err = CheckServer(ctx, client, app)
		}
		if err != nil {
			errs = append(errs, &UncheckedError{App: app.Name, Environment: app.Environment, Err: err})
		}
	}
	severe, mild := Severe(slices.Concat(v.Findings, together(v.Apps, found)))
	v.Findings, v.Ignored = slices.Concat(severe, mild), ignored(v.Apps)
	return errors.Join(errs...)
}

// CheckServer says what is wrong with an app in the cluster that it would be
// deployed to. Images and secrets are not needed: what is built has no digest yet.
func CheckServer(ctx context.Context, client *apply.Client, app *schema.App) (schema.Errors, error) {
	units, err := Units(app, Unbuilt(app, app.Services), nil)
	if err != nil {
		return nil, err
	}
	found, err := client.Check(ctx, units)
	if err != nil {
		return nil, err
	}
	var errs schema.Errors
	for _, f := range found {
		errs = append(errs, app.Silence(schema.Errors{inCluster(app, f)})...)
	}
	return errs, nil
}

// inCluster is a finding with its place in the CUE.
func inCluster(app *schema.App, f apply.Finding) *schema.Error {
	e := &schema.Error{Code: againstCluster, Rule: clusterRule(f), Severity: schema.SeverityError, Message: f.Message}
	if f.Warning {
		e.Severity = schema.SeverityWarning
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
		path := map[string]string{"ResourceQuota": "quota", "LimitRange": "limits", "Gateway": "gateways." + object.Name}[object.Kind]
		return cmp.Or(path, "objects"), app.Position(cmp.Or(path, "objects"))
	}
	return "", schema.Pos{}
}
