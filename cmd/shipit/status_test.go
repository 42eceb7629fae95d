package main

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/shipit-dev/shipit/apply"
)

// What was left half-way, is not recorded or is about to go is said below the table, with
// the command that ends it.
func TestStatusSaysWhatWasLeft(t *testing.T) {
	t.Parallel()
	unit := func(u apply.UnitStatus) *apply.AppStatus {
		u.Name = "web"
		return &apply.AppStatus{App: "shop", Namespace: "shop", Units: []apply.UnitStatus{u}}
	}
	for _, tt := range []struct {
		name   string
		status *apply.AppStatus
		want   string
	}{
		{"nothing", &apply.AppStatus{App: "shop", Namespace: "shop"}, "nothing of shop is deployed"},
		{"a Lease alone", &apply.AppStatus{App: "shop", Namespace: "shop", Left: []apply.Ref{{Kind: "Lease", Name: "shipit-shop-1"}, {Kind: "Secret", Name: "shipit-shop"}}}, "left by a command that was stopped: 2 objects (Lease shipit-shop-1 first); shipit delete removes that"},
		{"no record", unit(apply.UnitStatus{State: apply.StateUnrecorded}), "web: it is there, and no release of it is recorded; a deploy begins a new history, shipit delete web removes it"},
		{"the namespace goes", &apply.AppStatus{App: "shop", Namespace: "shop", Terminating: true}, "namespace shop is being deleted, with all that is in it"},
		{"a stopped rollback", unit(apply.UnitStatus{State: apply.StateInterrupted, Stopped: apply.StoppedRollback, Release: 2, DeployID: "d1", By: "ann@ci"}), "web: its rollback to release 2 was stopped half-way, by ann@ci (deploy d1); to finish it: shipit rollback"},
		{"a stopped deletion", unit(apply.UnitStatus{State: apply.StateInterrupted, Stopped: apply.StoppedDelete}), "web: its deletion was stopped half-way; to finish it: shipit delete web; to have it back: shipit rollback"},
		{"a stopped first deploy", unit(apply.UnitStatus{State: apply.StateInterrupted, DeployID: "d1"}), "web: its first deploy was stopped half-way, by deploy d1; to go on: shipit deploy; to remove it: shipit delete web"},
		{"a stopped deploy", unit(apply.UnitStatus{State: apply.StateInterrupted, DeployID: "d1", Healthy: 3}), "web: its deploy was stopped half-way, by deploy d1; to go on: shipit deploy; to return to release 3: shipit rollback"},
		{"expired", unit(apply.UnitStatus{Expires: new(time.Now().Add(-time.Hour))}), "shipit delete --expired removes it, a deploy renews it"},
	} {
		var out, said bytes.Buffer
		if err := (streams{out: &out, err: &said}).status(testApp("web"), tt.status); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(strings.Fields(said.String()), " "); !strings.Contains(got, tt.want) {
			t.Errorf("%s: it says %q, not %q", tt.name, got, tt.want)
		}
	}
}
