package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/schema"
)

// deleteExpired removes every app whose ttl is over, of one namespace or of all. One
// that cannot be removed does not keep the others from it: the first failure is
// returned at the end.
func deleteExpired(ctx context.Context, s streams, cluster *clusterFlags, req apply.DeleteRequest, output string, yes bool) error {
	t, err := cluster.connect(ctx, s, &schema.App{})
	if err != nil {
		return err
	}
	found, first := apply.Expired(ctx, t.config, cluster.namespace())
	var forbidden *apply.ForbiddenError
	if errors.As(first, &forbidden) && cluster.namespace() == "" {
		return hinted{first, "name a namespace with -n, or ask for the right to list Secrets in all of them"}
	}
	if len(found) == 0 {
		if first == nil {
			s.note("nothing has expired in %s", t.label)
		}
		return first
	}
	for _, e := range found {
		what := "app " + e.App
		if e.Source != "" {
			what = fmt.Sprintf("what the project %s deployed of app %s", e.Source, e.App)
		}
		s.note("%s in namespace %s expired %s ago", what, e.Namespace, short(time.Since(e.At).Round(time.Second)))
	}
	if !yes {
		what := plural(len(found), "app") + " from " + t.label
		if err := confirm(s, "removing "+what, "Remove "+what+"?", "not removed"); err != nil {
			return err
		}
	}
	req.Expired = true
	for _, e := range found {
		app := &schema.App{Name: e.App, Namespace: e.Namespace, Source: e.Source}
		client, err := t.client(ctx, app)
		if err == nil {
			s.note("%s, namespace %s", e.App, e.Namespace)
			err = s.follow(app, deleting, output, func(sink func(apply.Event)) (*apply.Result, error) {
				result, err := client.Delete(ctx, req, sink)
				if err == nil && result.Outcome == apply.Unchanged {
					s.note("kept: it was deployed again, or somebody else removed it")
				}
				return result, err
			})
		}
		var going *apply.TerminatingError
		switch {
		case errors.As(err, &going):
			s.note("%v", err) // somebody removes it already
		case first == nil:
			first = err
		case err != nil && !errors.As(err, new(outcomeError)):
			s.fail(err, "")
		}
		if ctx.Err() != nil {
			break
		}
	}
	return first
}
