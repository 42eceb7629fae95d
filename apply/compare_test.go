package apply

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/managedfields"
	"k8s.io/apimachinery/pkg/util/managedfields/managedfieldstest"
	"k8s.io/client-go/applyconfigurations"
	"k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/yaml"
)

const testManager = "shipit/ns/app"

// converter knows the built-in types; it takes a moment to make, so tests share
// it.
func converter(t *testing.T) managedfields.TypeConverter {
	t.Helper()
	return applyconfigurations.NewTypeConverter(scheme.Scheme)
}

func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	o := &unstructured.Unstructured{}
	if err := yaml.Unmarshal([]byte(text), &o.Object); err != nil {
		t.Fatal(err)
	}
	c, err := canonical(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// stored applies o with the API server's own field manager, and then stores it
// as the server does: through the typed object, which normalises quantities and
// drops what is empty, with some defaults.
func stored(t *testing.T, conv managedfields.TypeConverter, o *unstructured.Unstructured) *unstructured.Unstructured {
	t.Helper()
	fm := managedfieldstest.NewTestFieldManager(conv, o.GroupVersionKind())
	if err := fm.Apply(o.DeepCopy(), testManager, false); err != nil {
		t.Fatal(err)
	}
	live := &unstructured.Unstructured{}
	var err error
	if live.Object, err = runtime.DefaultUnstructuredConverter.ToUnstructured(fm.Live()); err != nil {
		t.Fatal(err)
	}
	var typed runtime.Object
	switch o.GetKind() {
	case "Deployment":
		d := &appsv1.Deployment{}
		must(t, runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, d))
		for i := range d.Spec.Template.Spec.Containers {
			c := &d.Spec.Template.Spec.Containers[i]
			c.TerminationMessagePath = "/dev/termination-log"
			for j := range c.Ports {
				if c.Ports[j].Protocol == "" {
					c.Ports[j].Protocol = corev1.ProtocolTCP
				}
			}
			if p := c.ReadinessProbe; p != nil && p.PeriodSeconds == 0 {
				p.PeriodSeconds = 10
			}
			for j := range c.Env {
				if f := c.Env[j].ValueFrom; f != nil && f.FieldRef != nil && f.FieldRef.APIVersion == "" {
					f.FieldRef.APIVersion = "v1"
				}
			}
		}
		if d.Spec.Replicas == nil {
			d.Spec.Replicas = ptrTo(int32(1))
		}
		typed = d
	case "Service":
		s := &corev1.Service{}
		must(t, runtime.DefaultUnstructuredConverter.FromUnstructured(live.Object, s))
		for i := range s.Spec.Ports {
			if s.Spec.Ports[i].Protocol == "" {
				s.Spec.Ports[i].Protocol = corev1.ProtocolTCP
			}
		}
		s.Spec.ClusterIP = "10.0.0.1"
		typed = s
	default:
		t.Fatalf("no kind %s here", o.GetKind())
	}
	out := &unstructured.Unstructured{}
	if out.Object, err = runtime.DefaultUnstructuredConverter.ToUnstructured(typed); err != nil {
		t.Fatal(err)
	}
	return out
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// deploymentOf gives a Deployment whose only container has extra fields.
func deploymentOf(container string) string {
	return `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: ns, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: example.com/web@sha256:1
` + indent(container, 8)
}

func serviceOf(spec string) string {
	return "apiVersion: v1\nkind: Service\nmetadata: {name: web, namespace: ns}\nspec:\n" + indent(spec, 2)
}

func indent(s string, n int) string {
	var b strings.Builder
	for _, l := range strings.Split(strings.Trim(s, "\n"), "\n") {
		fmt.Fprintf(&b, "%s%s\n", strings.Repeat(" ", n), l)
	}
	return b.String()
}

func TestCompare(t *testing.T) {
	t.Parallel()
	conv := converter(t)
	tests := []struct {
		name    string
		applied string
		desired string   // "" is applied again
		want    []string // the changed fields; nil means that applying changes nothing
	}{
		{name: "the same", applied: deploymentOf("args: [a, b]")},
		{name: "cpu 1000m stored as 1", applied: deploymentOf("resources: {requests: {cpu: 1000m}}")},
		{name: "cpu as a number", applied: deploymentOf("resources: {requests: {cpu: 1}}")},
		{name: "memory 1024Mi for 1Gi", applied: deploymentOf("resources: {limits: {memory: 1Gi}}"), desired: deploymentOf("resources: {limits: {memory: 1024Mi}}")},
		{
			name: "another quantity", applied: deploymentOf("resources: {requests: {cpu: 1000m}}"), desired: deploymentOf("resources: {requests: {cpu: 1001m}}"),
			want: []string{`.spec.template.spec.containers[name="web"].resources.requests.cpu`},
		},
		{name: "protocol defaulted", applied: deploymentOf("ports: [{name: http, containerPort: 8080}]")},
		{
			name: "protocol written out", applied: deploymentOf("ports: [{name: http, containerPort: 8080}]"), desired: deploymentOf("ports: [{name: http, containerPort: 8080, protocol: TCP}]"),
			want: []string{`.spec.template.spec.containers[name="web"].ports[containerPort=8080,protocol="TCP"].protocol`},
		},
		{
			name: "two ports of one number", applied: deploymentOf("ports: [{name: a, containerPort: 53, protocol: TCP}, {name: b, containerPort: 53, protocol: UDP}]"),
		},
		{name: "empty env value", applied: deploymentOf(`env: [{name: A, value: ""}]`)},
		{
			name: "env value emptied", applied: deploymentOf(`env: [{name: A, value: "1"}]`), desired: deploymentOf(`env: [{name: A, value: ""}]`),
			want: []string{`.spec.template.spec.containers[name="web"].env[name="A"].value`},
		},
		{
			name: "env removed", applied: deploymentOf("env: [{name: A, value: x}, {name: B, value: z}]"), desired: deploymentOf("env: [{name: A, value: x}]"),
			want: []string{`.spec.template.spec.containers[name="web"].env[name="B"]`},
		},
		{
			name: "env added", applied: deploymentOf("env: [{name: A, value: x}]"), desired: deploymentOf("env: [{name: A, value: x}, {name: B, value: z}]"),
			want: []string{`.spec.template.spec.containers[name="web"].env`},
		},
		{
			name: "env in another order", applied: deploymentOf("env: [{name: A, value: x}, {name: B, value: z}]"), desired: deploymentOf("env: [{name: B, value: z}, {name: A, value: x}]"),
			want: []string{`.spec.template.spec.containers[name="web"].env`},
		},
		{
			name: "the last env removed", applied: deploymentOf("env: [{name: A, value: x}]"), desired: deploymentOf("imagePullPolicy: Always"),
			want: []string{`.spec.template.spec.containers[name="web"].env`, `.spec.template.spec.containers[name="web"].imagePullPolicy`},
		},
		{name: "a probe with a port by name", applied: deploymentOf("readinessProbe: {httpGet: {path: /, port: http}}")},
		{name: "a probe with a port by number", applied: deploymentOf("readinessProbe: {httpGet: {path: /, port: 8080}}")},
		{
			name: "port 8080 is not port \"8080\"", applied: deploymentOf("readinessProbe: {httpGet: {path: /, port: 8080}}"), desired: deploymentOf(`readinessProbe: {httpGet: {path: /, port: "8080"}}`),
			want: []string{`.spec.template.spec.containers[name="web"].readinessProbe.httpGet.port`},
		},
		{
			name: "probe field removed", applied: deploymentOf("readinessProbe: {periodSeconds: 1, httpGet: {path: /, port: 8080}}"), desired: deploymentOf("readinessProbe: {httpGet: {path: /, port: 8080}}"),
			want: []string{`.spec.template.spec.containers[name="web"].readinessProbe.periodSeconds`},
		},
		{
			name: "args in another order", applied: deploymentOf("args: [a, b]"), desired: deploymentOf("args: [b, a]"),
			want: []string{`.spec.template.spec.containers[name="web"].args`},
		},
		{
			name: "an image", applied: deploymentOf("args: [a]"), desired: strings.Replace(deploymentOf("args: [a]"), "sha256:1", "sha256:2", 1),
			want: []string{`.spec.template.spec.containers[name="web"].image`},
		},
		{name: "false and zero", applied: deploymentOf("securityContext: {readOnlyRootFilesystem: false, runAsUser: 0}")},
		{name: "a null is absent", applied: deploymentOf("command: null")},
		{name: "an empty struct", applied: deploymentOf("securityContext: {}")},
		{
			// The server writes apiVersion into the reference, which is owned whole.
			name: "a reference that the server completes", applied: deploymentOf("env: [{name: A, valueFrom: {fieldRef: {fieldPath: status.podIP}}}]"),
		},
		{name: "service port, target by name", applied: serviceOf("ports: [{port: 80, targetPort: http}]\nselector: {app: web}")},
		{
			name: "another selector", applied: serviceOf("ports: [{port: 80}]\nselector: {app: web}"), desired: serviceOf("ports: [{port: 80}]\nselector: {app: api}"),
			want: []string{".spec.selector"},
		},
		{
			name: "type removed", applied: serviceOf("ports: [{port: 80}]\ntype: ClusterIP"), desired: serviceOf("ports: [{port: 80}]"),
			want: []string{".spec.type"},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			applied := parse(t, tt.applied)
			desired := applied
			if tt.desired != "" {
				desired = parse(t, tt.desired)
			}
			live := stored(t, conv, applied)
			owned, ok := ownedFields(live, testManager)
			if !ok {
				t.Fatal("the manager owns nothing")
			}
			var got []string
			for _, p := range compare(desired, live, owned) {
				got = append(got, p.String())
			}
			slices.Sort(got)
			if !slices.Equal(got, tt.want) {
				t.Errorf("changed fields:\n got %q\nwant %q", got, tt.want)
			}
		})
	}
}

// What another manager changes is seen by the fields that it took away.
func TestCompareAfterAnotherWriter(t *testing.T) {
	t.Parallel()
	desired := parse(t, deploymentOf("args: [a]"))
	fm := managedfieldstest.NewTestFieldManager(converter(t), desired.GroupVersionKind())
	must(t, fm.Apply(desired.DeepCopy(), testManager, false))
	edited := parse(t, strings.Replace(deploymentOf("args: [a]"), "replicas: 2", "replicas: 5", 1))
	must(t, fm.Update(edited, "kubectl-edit"))
	live := &unstructured.Unstructured{}
	var err error
	live.Object, err = runtime.DefaultUnstructuredConverter.ToUnstructured(fm.Live())
	must(t, err)
	owned, _ := ownedFields(live, testManager)
	got := compare(desired, live, owned)
	if len(got) != 1 || got[0].String() != ".spec.replicas" {
		t.Errorf("changed fields: %v, want .spec.replicas", got)
	}
}
