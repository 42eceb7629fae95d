package apply_test

import (
	"fmt"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/shipit-dev/shipit/apply"
)

// A CronJob is as it was asked for, and its last run failed: both are said.
func TestStatusTellsFailedRuns(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.cronJob("report"))
	if s := e.status("report"); !s.Ready || s.Diagnosis != nil {
		t.Errorf("before it ran: %+v", s)
	}
	run := e.job("report", "backoffLimit: 0", "env: [{name: EXIT, value: \"3\"}]").Objects[1]
	jobs := e.dyn.Resource(schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: "jobs"}).Namespace(e.ns)
	_, err := jobs.Create(e.ctx, run, metav1.CreateOptions{})
	check(t, err)
	e.eventually(pods, func() (string, bool) {
		s := e.status("report")
		d := s.Diagnosis
		return fmt.Sprintf("%+v, %v", s, d), s.Ready && d != nil && d.Code == apply.CodeJobFailed && d.ExitCode != nil && *d.ExitCode == 3 && d.Field == "command" && len(d.Logs) > 0
	})
}
