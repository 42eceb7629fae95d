package deploy

import (
	"context"
	"errors"

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
		result, err := client.Deploy(ctx, req, sink)
		var changed *apply.KeyChangedError
		if !errors.As(err, &changed) {
			return result, err
		}
	}
}
