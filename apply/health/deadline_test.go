package health

import (
	"testing"
	"time"
)

func TestDeadline(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name string
		yaml string
		want time.Duration
	}{
		{"no probe", twoPods("args: [a]"), allowPull + 2*allowStart},
		{"two pods, one after the other", twoPods("readinessProbe: {periodSeconds: 2, failureThreshold: 3, tcpSocket: {port: 80}}"), allowPull + 2*(allowStart+21*time.Second)},
		{"defaults of a probe", twoPods("readinessProbe: {tcpSocket: {port: 80}}"), allowPull + 2*(allowStart+93*time.Second)},
		{"startup and readiness", twoPods("startupProbe: {periodSeconds: 10, failureThreshold: 30, tcpSocket: {port: 80}}, readinessProbe: {periodSeconds: 1, tcpSocket: {port: 80}}"), allowPull + 2*(allowStart+301*time.Second+20*time.Second)},
		{"three pods of a StatefulSet, one after the other, each ending first", "apiVersion: apps/v1\nkind: StatefulSet\nspec: {replicas: 3, template: {spec: {containers: [{name: web}], terminationGracePeriodSeconds: 10}}}", allowPull + 3*(allowStart+10*time.Second)},
		{"Recreate, with the default grace", "apiVersion: apps/v1\nkind: Deployment\nspec: {replicas: 3, strategy: {type: Recreate}, template: {spec: {containers: [{name: web}]}}}", allowPull + allowStart + 30*time.Second},
		{"a Job that may run for a minute", "apiVersion: batch/v1\nkind: Job\nspec: {activeDeadlineSeconds: 60, template: {spec: {containers: [{name: web}]}}}", allowPull + allowStart + time.Minute},
		{"a Job with two retries", "apiVersion: batch/v1\nkind: Job\nspec: {backoffLimit: 2, template: {spec: {containers: [{name: web}]}}}", allowPull + allowStart + allowJob + 30*time.Second},
		{"a Service", "apiVersion: v1\nkind: Service\nspec: {ports: [{port: 80}]}", allowPull},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			if got := Deadline(parse(t, tt.yaml)); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

func TestBatches(t *testing.T) {
	t.Parallel()
	deployment := func(spec string) string { return "apiVersion: apps/v1\nkind: Deployment\nspec: " + spec }
	tests := []struct {
		yaml string
		want int
	}{
		{deployment("{}"), 1},
		{deployment("{replicas: 1}"), 1},
		{deployment("{replicas: 2}"), 2},                                            // surge 1, unavailable 0
		{deployment("{replicas: 10}"), 2},                                           // surge 3, unavailable 2
		{deployment("{replicas: 10, strategy: {type: Recreate}}"), 1},               //
		{deployment("{replicas: 10, strategy: {rollingUpdate: {maxSurge: 1}}}"), 4}, // 1 + 2
		{deployment("{replicas: 10, strategy: {rollingUpdate: {maxSurge: 0, maxUnavailable: 1}}}"), 10},
		{deployment(`{replicas: 4, strategy: {rollingUpdate: {maxSurge: "50%", maxUnavailable: 0}}}`), 2},
		{"apiVersion: apps/v1\nkind: StatefulSet\nspec: {replicas: 3}", 3},
		{"apiVersion: apps/v1\nkind: StatefulSet\nspec: {replicas: 3, podManagementPolicy: Parallel}", 3},
	}
	for _, tt := range tests {
		if got := batches(parse(t, tt.yaml)); got != tt.want {
			t.Errorf("%s: got %d, want %d", tt.yaml, got, tt.want)
		}
	}
}

// twoPods is a Deployment whose only container has extra fields.
func twoPods(container string) string {
	return "apiVersion: apps/v1\nkind: Deployment\nspec: {replicas: 2, template: {spec: {containers: [{name: web, " + container + "}]}}}"
}
