package language_test

import (
	"errors"
	"strings"
	"testing"

	"cuelang.org/go/cue/format"
	"github.com/shipit-dev/shipit/schema/language"
)

// Every field says what it is, and has an example of its own or is in one of those
// around it; that the examples are valid is tested with the command line.
func TestEntries(t *testing.T) {
	t.Parallel()
	fields, err := language.Entries()
	if err != nil {
		t.Fatal(err)
	}
	if len(fields) < 350 {
		t.Errorf("only %d fields", len(fields))
	}
	for _, f := range fields {
		if f.Example == "" {
			t.Errorf("no example uses %s: write one in its comment in schema/v1", f.Path)
		}
		if f.Doc == "" || f.Type == "" || strings.Contains(f.Doc+f.About+f.Default+f.Becomes, "#") {
			t.Errorf("%s says too little, or names a definition: %+v", f.Path, f)
		}
		if !strings.Contains(f.Example, f.Name) {
			t.Errorf("the example of %s does not have it:\n%s", f.Path, f.Example)
		}
		if formatted, err := format.Source([]byte(f.Example)); err != nil || strings.TrimSuffix(string(formatted), "\n") != f.Example {
			t.Errorf("the example of %s is not formatted, %v:\n%s", f.Path, err, formatted)
		}
		for line := range strings.Lines(f.Example) {
			if len(strings.ReplaceAll(line, "\t", "    ")) > 78 {
				t.Errorf("the example of %s has a long line:\n%s", f.Path, f.Example)
			}
		}
	}
}

func TestExplain(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]language.Entry{
		"services.replicas":                     {Path: "services.replicas", Type: "a whole number, 0 or more", Doc: "replicas is how many pods run.", Default: "1", Becomes: "spec.replicas of the workload", Example: "services: web: replicas: 3"},
		"services.web.probes.readiness.http":    {Path: "services.probes.readiness.http", Type: "a path that starts with /, or {path: …, port: …, scheme: …}"},
		"services.env":                          {Path: "services.env", Type: "by name, each a string, or one of {config: …}, {secret: …}, {field: …}", Keys: "letters, digits, _, - and ., not starting with a digit"},
		"services.volumes.size":                 {Path: "services.volumes.size", Type: `a quantity of bytes, such as "1Gi"`},
		"environments.prod.services":            {Path: "environments.services", Type: "by name, each a struct"},
		"services.expose.public.gateway.name":   {Path: "services.expose.gateway.name", Required: true},
		"services.web.sidecars.proxy.resources": {Path: "services.sidecars.resources", About: "Resources are what a container asks for (at the top) and what it is limited to (in limits). The limits of memory, huge pages and extended resources equal what is asked for unless given; there is no CPU limit unless given."},
		"services.web":                          {Path: "services", Type: "a struct"},
		"":                                      {},
	} {
		f, err := language.Explain(path)
		if err != nil {
			t.Errorf("%s: %v", path, err)
			continue
		}
		for what, pair := range map[string][2]string{
			"path": {f.Path, want.Path}, "type": {f.Type, want.Type}, "doc": {f.Doc, want.Doc}, "default": {f.Default, want.Default},
			"keys": {f.Keys, want.Keys}, "example": {f.Example, want.Example}, "about": {f.About, want.About}, "becomes": {f.Becomes, want.Becomes},
		} {
			if pair[1] != "" && pair[0] != pair[1] {
				t.Errorf("%s: its %s is %q, want %q", path, what, pair[0], pair[1])
			}
		}
		if f.Required != want.Required {
			t.Errorf("%s: required is %v", path, f.Required)
		}
	}
	service, err := language.Explain("services")
	if err != nil || len(service.Fields) < 40 || service.Fields[0].Path != "services.enabled" || service.About == "" {
		t.Errorf("services is %+v, %v", service, err)
	}
}

func TestExplainUnknown(t *testing.T) {
	t.Parallel()
	for path, want := range map[string]string{
		"services.hpa":                      `services has no field "hpa": did you mean services.autoscale?`,
		"services.web.probes.ready":         `services.probes has no field "ready": did you mean services.probes.readiness?`,
		"services.prots":                    `services has no field "prots": did you mean services.ports?`,
		"servces":                           `the App has no field "servces": did you mean services?`,
		"servces.web.prbes":                 `the App has no field "servces", and services has no field "prbes": did you mean services.probes?`,
		"replicas":                          `the App has no field "replicas": did you mean services.replicas?`,
		"terminationGracePeriodSeconds":     `the App has no field "terminationGracePeriodSeconds": did you mean services.lifecycle.terminationGracePeriodSeconds?`,
		"name.x":                            `name has no field "x": `,
		"services.web.envFrom.zzzzzzzzzzzz": `services.envFrom has no field "zzzzzzzzzzzz": services.envFrom has config, secrets`,
		"cronjob":                           `the App has no field "cronjob": did you mean services.workload?`,
		"StatefulSet":                       `the App has no field "StatefulSet": did you mean services.workload?`,
		"volume":                            `the App has no field "volume": did you mean services.volumes?`,
		"ingress":                           `the App has no field "ingress": did you mean services.expose, or network.ingress?`,
		"secret":                            `the App has no field "secret": did you mean services.secrets, or services.env.secret, or services.volumes.secret?`,
		"livenessProbe":                     `the App has no field "livenessProbe": did you mean services.probes.liveness?`,
		"PersistentVolumeClaim":             `the App has no field "PersistentVolumeClaim": did you mean services.volumes.size?`,
		"values":                            `the App has no field "values": did you mean environments?`,
		"cron":                              `the App has no field "cron": did you mean services.schedule?`,
		"services.statefulset":              `services has no field "statefulset": did you mean services.workload?`,
		"services.secretRef":                `services has no field "secretRef": did you mean services.envFrom.secrets?`,
		"services.web.secretRef":            `services has no field "secretRef": did you mean services.envFrom.secrets?`,
	} {
		_, err := language.Explain(path)
		var unknown *language.UnknownFieldError
		if !errors.As(err, &unknown) || unknown.Error()+": "+unknown.Hint() != want {
			t.Errorf("%s gave %+v, want %s", path, unknown, want)
		}
	}
}

// What Kubernetes calls its objects leads to the field that makes them.
func TestExplainKinds(t *testing.T) {
	t.Parallel()
	for kind, want := range map[string]string{
		"Deployment": "services.workload", "DaemonSet": "services.workload", "Job": "services.workload", "ReplicaSet": "services.replicas", "Pod": "services",
		"Service": "services", "Ingress": "services.expose", "HTTPRoute": "services.expose", "Gateway": "gateways", "ConfigMap": "services.config",
		"ServiceAccount": "services.permissions", "Role": "services.permissions", "ClusterRole": "services.permissions", "RoleBinding": "services.permissions",
		"HorizontalPodAutoscaler": "services.autoscale", "PodDisruptionBudget": "services.disruption", "NetworkPolicy": "network", "ResourceQuota": "quota",
		"LimitRange": "limits", "CustomResourceDefinition": "crds", "StorageClass": "services.volumes.class", "ServiceMonitor": "services.monitor",
		"PodMonitor": "services.monitor", "ExternalSecret": "services.secrets.external", "Certificate": "services.expose.tls", "PersistentVolume": "services.volumes",
	} {
		_, err := language.Explain(kind)
		var unknown *language.UnknownFieldError
		if !errors.As(err, &unknown) || len(unknown.Meant) == 0 || unknown.Meant[0] != want {
			t.Errorf("%s gave %+v, want %s", kind, unknown, want)
		}
	}
	for _, name := range []string{"services.web", "services.my-db", "services.NAME", "services.vault"} {
		if _, err := language.Explain(name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
