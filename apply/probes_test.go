package apply_test

import (
	"testing"

	"github.com/shipit-dev/shipit/apply"
)

// What the kubelet kills for its probe is told once a second run ended so.
func TestDiagnoseProbesThatKill(t *testing.T) {
	t.Parallel()
	for _, probe := range []string{"startup", "liveness"} {
		t.Run(probe, func(t *testing.T) {
			e := newEnv(t)
			b := blame{
				code: apply.CodeProbeFailing, unit: "web", object: "Deployment web", field: "probes." + probe, pod: true,
				message: []string{"the " + probe + " probe failed", "statuscode: 503"}, log: "not ready: told to be so",
			}
			b.wants(e, e, nil, e.deployment("web", "1", probe+"Probe: {httpGet: {path: /readyz, port: http}, periodSeconds: 1}\nenv: [{name: UNREADY, value: \"503\"}]\n", ""))
		})
	}
}

// A first run may be too slow for its startup probe, on a node that has much to do.
func TestSecondStartPasses(t *testing.T) {
	e := newEnv(t)
	e.mustDeploy(e.deployment("web", "1", `
startupProbe: {tcpSocket: {port: http}, periodSeconds: 1, failureThreshold: 15}
env: [{name: HANGS, value: /run/before/hangs}]
volumeMounts: [{name: before, mountPath: /run/before}]
`, "volumes: [{name: before, emptyDir: {}}]"))
	for name, p := range e.pods("web") {
		if p.Restarts == 0 {
			t.Errorf("the first run of %s was not killed", name)
		}
	}
}
