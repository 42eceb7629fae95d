package deploy

import (
	"context"
	"errors"
	"slices"

	"github.com/shipit-dev/shipit/registry"
	"github.com/shipit-dev/shipit/schema"
	"github.com/shipit-dev/shipit/schema/rule"
	"golang.org/x/sync/errgroup"
)

// CheckImages asks registries for the images that are not built from source, of
// every environment, and adds to the findings what is wrong with them. cache is as
// in ImageOptions. The error joins an *UncheckedError for each environment with
// images that could not be read; it has what was found in the others.
func (v *Validation) CheckImages(ctx context.Context, cache string) error {
	builder, err := registry.New(registry.Options{UserAgent: "shipit", Cache: cache})
	if err != nil {
		return err
	}
	var errs []error
	found := make([]schema.Errors, len(v.Apps))
	for i, app := range v.Apps {
		if found[i], err = inspectImages(ctx, builder, app); err != nil {
			errs = append(errs, &UncheckedError{App: app.Name, Environment: app.Environment, Other: "its registries", Err: err})
		}
	}
	severe, mild := Severe(slices.Concat(v.Findings, together(v.Apps, found)))
	v.Findings, v.Ignored = slices.Concat(severe, mild), ignored(v.Apps)
	return errors.Join(errs...)
}

// inspectImages says what is wrong with an app's images. The error joins why some
// could not be read.
func inspectImages(ctx context.Context, builder *registry.Builder, app *schema.App) (schema.Errors, error) {
	wanted := sources(app.Services)
	images, errs := make([]Image, len(wanted)), make([]error, len(wanted))
	var g errgroup.Group
	g.SetLimit(16)
	for i, src := range wanted {
		if src.build != nil {
			continue
		}
		g.Go(func() error {
			if images[i].Ref, errs[i] = builder.Resolve(ctx, src.image); errs[i] == nil {
				images[i].Inspection, errs[i] = builder.Inspect(ctx, images[i].Ref, nil)
			}
			return nil
		})
	}
	_ = g.Wait() // every error is in errs
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	var missing schema.Errors
	for i, err := range errs {
		var none *registry.NotFoundError
		if errors.As(err, &none) {
			path := wanted[i].path()
			missing = append(missing, &schema.Error{
				Code: imageConfig, Rule: imageNotFound, Severity: rule.Error, Pos: app.Position(path), Path: path,
				Message: path + ": " + none.Error(), Why: "its registry does not have it", Hint: "check the name and the tag",
			})
			errs[i] = nil
		} else if err != nil {
			errs[i] = at(app, wanted[i].path(), err)
		}
	}
	return append(app.Silence(missing), CheckImages(app, app.Services, images)...), errors.Join(errs...)
}
