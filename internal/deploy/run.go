package deploy

import (
	"context"
	"errors"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/render"
	"github.com/shipit-dev/shipit/schema"
)

// Run renders the services that have an image here, with the values of their
// secrets, and deploys them as req says, whose Units and SecretsKey it fills in.
// The names of Secrets are made with a key that is kept in the cluster: when
// somebody else gave the app one between reading it and writing, it renders
// again.
func Run(ctx context.Context, client *apply.Client, app *schema.App, images []Image, values Values, req apply.Request, sink func(apply.Event)) (*apply.Result, error) {
	for {
		var secrets *render.Secrets
		if values != nil {
			key, err := client.SecretsKey(ctx)
			if err != nil {
				return nil, err
			}
			secrets = &render.Secrets{Key: key, Values: values}
			req.SecretsKey = key
		}
		var err error
		if req.Units, err = Units(app, images, secrets); err != nil {
			return nil, err
		}
		result, err := client.Deploy(ctx, req, placing(app, sink))
		var changed *apply.KeyChangedError
		if !errors.As(err, &changed) {
			return result, placed(app, req.Units, err)
		}
	}
}

// placed gives calls that lead nowhere, and objects that were refused, their places
// in the CUE.
func placed(app *schema.App, units []apply.Unit, err error) error {
	var calls *apply.CallsError
	var conflict *apply.ConflictError
	var invalid *apply.InvalidError
	switch {
	case errors.As(err, &calls):
	case errors.As(err, &conflict):
		return inUnit(app, units, conflict.Object, strings.TrimPrefix(conflict.Field, "."), err)
	case errors.As(err, &invalid):
		return inUnit(app, units, invalid.Object, invalid.Field, err)
	default:
		return err
	}
	places := make([]*PlacedError, len(calls.Calls))
	for i, c := range calls.Calls {
		places[i] = atCall(app, c)
	}
	slices.SortStableFunc(places, func(a, b *PlacedError) int { return comparePos(a.Pos, b.Pos) })
	errs := make([]error, len(places))
	for i, p := range places {
		errs[i] = p
	}
	return errors.Join(errs...)
}

// inUnit gives an error its object's place.
func inUnit(app *schema.App, units []apply.Unit, object apply.Ref, field string, err error) error {
	for _, u := range units {
		if !slices.ContainsFunc(u.Objects, func(o *unstructured.Unstructured) bool {
			return o.GetKind() == object.Kind && o.GetName() == object.Name
		}) {
			continue
		}
		if path, pos := placeOf(app, u.Name, object, field); pos.IsValid() {
			return &PlacedError{Pos: pos, Path: path, Err: err}
		}
	}
	return err
}

func atCall(app *schema.App, e *apply.CallError) *PlacedError {
	path := "services." + e.Unit + ".calls." + e.Call.Name
	if e.Field != "" {
		path += "." + e.Field
	}
	return &PlacedError{Pos: app.Position(path), Path: path, Err: e}
}

// placing is sink, told of calls that may fail with their places in the CUE.
func placing(app *schema.App, sink func(apply.Event)) func(apply.Event) {
	return func(ev apply.Event) {
		var call *apply.CallError
		if errors.As(ev.Err, &call) {
			ev.Unit, ev.Message = "", atCall(app, call).Error()
			if call.Fix != "" {
				ev.Message += " (" + call.Fix + ")"
			}
		}
		if sink != nil {
			sink(ev)
		}
	}
}
