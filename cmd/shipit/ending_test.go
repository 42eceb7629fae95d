package main

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/schema"
)

func testApp(services ...string) *schema.App {
	app := &schema.App{Name: "shop", Namespace: "shop"}
	for _, name := range services {
		app.Services = append(app.Services, &schema.Service{Name: name})
	}
	return app
}

// Each command says of itself how it ended, and what to do about it.
func TestEnding(t *testing.T) {
	t.Parallel()
	const failed, stopped = false, true
	auth := &apply.UnauthorizedError{Host: "https://a"}
	reach := &apply.UnreachableError{Host: "https://a", Err: errors.New("connection refused")}
	web := &apply.Diagnosis{Unit: "web", Code: apply.CodeCrashLoop, Message: "it ends"}
	rollout := func(err error) error {
		return &apply.RolloutError{Diagnoses: []*apply.Diagnosis{web}, Err: err}
	}
	for _, tt := range []struct {
		what        action
		outcome     apply.Outcome
		interrupted bool
		err         error
		want        string
	}{
		{deploying, apply.RolledBack, failed, rollout(nil), "error: the deploy failed; what was there before is back and healthy (3.0s)\n"},
		{rollingBack, apply.RolledBack, failed, rollout(nil), "error: the rollback failed; what was there before is back and healthy (3.0s)\n"},
		{rollingBack, apply.RolledBack, stopped, errors.New("stopped"), "error: the rollback was stopped; what was there before is back and healthy (3.0s)\n"},
		{deploying, apply.Failed, failed, rollout(nil), "error: the deploy failed and was left as it is\n"},
		{rollingBack, apply.Failed, failed, rollout(errors.New("no way")), "error: the rollback failed and was left as it is: no way\n"},
		{deleting, apply.Failed, failed, errors.New("pod web-1 stays"), "error: not everything was removed: pod web-1 stays\n"},
		{deleting, apply.Failed, failed, auth, "error: not everything was removed: the API server at https://a does not accept the credentials\n" +
			"hint: the credentials may have expired: log in again, or name others with --context\n"},
		{deploying, apply.Interrupted, failed, rollout(fmt.Errorf("listing: %w", auth)), "error: the deploy was stopped half-way: listing: the API server at https://a does not accept the credentials\n" +
			"hint: the credentials may have expired: log in again, or name others with --context; then run the same command again: it finishes or replaces this deploy\n"},
		{rollingBack, apply.Interrupted, stopped, rollout(reach), "error: the rollback was stopped half-way: no Kubernetes API server answers at https://a: connection refused\n" +
			"hint: when the API server answers again, run the same command again: it finishes this rollback\n"},
		{deleting, apply.Interrupted, stopped, errors.New("stopped"), "error: the deletion was stopped half-way: stopped\n" +
			"hint: run the same command again: it removes the rest\n"},
		{deploying, apply.Interrupted, failed, &apply.LockLostError{Err: errors.New("web was taken over")}, "error: the deploy was stopped half-way: the lock could not be renewed in time: web was taken over\n" +
			"hint: shipit status shows whether somebody else went on from there; if not, run the same command again: it finishes or replaces this deploy\n"},
	} {
		var out bytes.Buffer
		r := &apply.Result{Outcome: tt.outcome, Interrupted: tt.interrupted, Took: 3 * time.Second, Units: []apply.UnitResult{{Name: "web"}}}
		if errors.As(tt.err, new(*apply.RolloutError)) && !tt.interrupted {
			r.Units[0].Diagnosis = web
		}
		streams{err: &out}.ending(tt.what, r, tt.err, "")
		if out.String() != tt.want {
			t.Errorf("%s, %s: it prints\n%swant\n%s", tt.what, tt.outcome, &out, tt.want)
		}
	}
}
