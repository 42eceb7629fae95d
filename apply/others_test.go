package apply

import (
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/managedfields/managedfieldstest"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// edited is what is there when we applied an object, and others wrote it after
// that, each the whole of it.
func edited(t *testing.T, applied string, edits ...[2]string) *unstructured.Unstructured {
	t.Helper()
	o := parse(t, applied)
	fm := managedfieldstest.NewTestFieldManager(converter(t), o.GroupVersionKind())
	must(t, fm.Apply(o.DeepCopy(), testManager, false))
	for _, e := range edits {
		must(t, fm.Update(parse(t, e[1]), e[0]))
	}
	live := &unstructured.Unstructured{}
	var err error
	live.Object, err = runtime.DefaultUnstructuredConverter.ToUnstructured(fm.Live())
	must(t, err)
	return live
}

const inWeb = `.spec.template.spec.containers[name="web"]`

// What others put into the lists of an object is theirs, unless somebody did it by
// hand, or it stands in the place of ours.
func TestIntruders(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		applied, edit string
		by            string
		desired       string // "" is applied again
		want          []string
	}{
		"a sidecar that an injector adds": {
			applied: deploymentOf("args: [a]"), edit: deploymentOf("args: [a]") + "      - name: proxy\n        image: example.com/proxy\n", by: "istio-injector",
		},
		"a variable that a controller adds": {
			applied: deploymentOf("env: [{name: A, value: x}]"), edit: deploymentOf("env: [{name: A, value: x}, {name: HASH, value: z}]"), by: "reloader",
		},
		"a variable that somebody adds": {
			applied: deploymentOf("env: [{name: A, value: x}]"), edit: deploymentOf("env: [{name: A, value: x}, {name: B, value: z}]"), by: "kubectl-set",
			want: []string{inWeb + `.env[name="B"]`},
		},
		"the first variable": {
			applied: deploymentOf(""), edit: deploymentOf("env: [{name: B, value: z}]"), by: "kubectl-set",
			want: []string{inWeb + `.env[name="B"]`},
		},
		"an annotation": {
			applied: serviceOf("ports: [{port: 80}]"), edit: strings.Replace(serviceOf("ports: [{port: 80}]"), "namespace: ns", "namespace: ns, annotations: {a: b}", 1), by: "kubectl-annotate",
		},
		"a port with another number": {
			applied: serviceOf("ports: [{name: http, port: 80}]"), edit: serviceOf("ports: [{name: http, port: 8083}]"), by: "somebody",
			want: []string{`.spec.ports[port=8083,protocol="TCP"]`},
		},
		"a container with another name": {
			applied: deploymentOf("args: [a]"), edit: strings.Replace(deploymentOf("args: [a]"), "name: web\n        image", "name: web2\n        image", 1), by: "somebody",
			want: []string{`.spec.template.spec.containers[name="web2"]`},
		},
		"a variable with another name and a reference": {
			applied: deploymentOf("env: [{name: A, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]"),
			edit:    deploymentOf("env: [{name: B, valueFrom: {fieldRef: {fieldPath: metadata.name}}}]"), by: "somebody",
			want: []string{inWeb + `.env[name="B"]`},
		},
		"another variable with the same value": {
			applied: deploymentOf("env: [{name: C, value: z}]"), edit: deploymentOf("env: [{name: C, value: z}, {name: B, value: x}]"), by: "reloader",
			desired: deploymentOf("env: [{name: C, value: z}, {name: A, value: x}]"),
		},
		"a new variable of ours beside theirs": {
			applied: deploymentOf("env: [{name: A, value: x}]"), edit: deploymentOf("env: [{name: A, value: x}, {name: HASH, value: z}]"), by: "reloader",
			desired: deploymentOf("env: [{name: A, value: x}, {name: NEW, value: y}]"),
		},
		"theirs, which we apply too": {
			applied: deploymentOf("env: [{name: A, value: x}]"), edit: deploymentOf("env: [{name: A, value: x}, {name: B, value: z}]"), by: "kubectl-set",
			desired: deploymentOf("env: [{name: A, value: x}, {name: B, value: z}]"),
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			live := edited(t, tt.applied, [2]string{tt.by, tt.edit})
			desired := parse(t, tt.applied)
			if tt.desired != "" {
				desired = parse(t, tt.desired)
			}
			var got []string
			for _, f := range intruders(desired, live, testManager) {
				got = append(got, f.path.String())
				if f.manager != tt.by {
					t.Errorf("%s is said to be of %s", f.path, f.manager)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("intruders %q, want %q", got, tt.want)
			}
		})
	}
}

// An element that we remove, and of which another manager has no more than its key,
// goes whole; one with a value of theirs stays theirs.
func TestHusks(t *testing.T) {
	t.Parallel()
	with, without := deploymentOf("env: [{name: A, value: x}, {name: B, value: z}]"), deploymentOf("env: [{name: A, value: x}]")
	o := parse(t, with)
	fm := managedfieldstest.NewTestFieldManager(converter(t), o.GroupVersionKind())
	must(t, fm.Apply(parse(t, without), testManager, false))
	must(t, fm.Update(parse(t, strings.Replace(with, "value: z", "value: theirs", 1)), "kubectl-set"))
	if err := fm.Apply(parse(t, with), testManager, false); err == nil {
		t.Fatal("no conflict")
	}
	must(t, fm.Apply(parse(t, with), testManager, true))
	live := &unstructured.Unstructured{}
	var err error
	live.Object, err = runtime.DefaultUnstructuredConverter.ToUnstructured(fm.Live())
	must(t, err)

	for name, desired := range map[string]*unstructured.Unstructured{
		"the variable goes": parse(t, without), "all variables go": parse(t, deploymentOf("")),
	} {
		owned, _ := ownedFields(live, testManager)
		got := husks(removedPaths(compare(desired, live, owned), desired, live), live, testManager)
		if len(got) != 1 || got[0].String() != inWeb+`.env[name="B"]` {
			t.Fatalf("%s: husks %v", name, got)
		}
		after := live.DeepCopy()
		after.SetManagedFields(moveFields(live, testManager, got))
		eachEntry(after.GetManagedFields(), testManager, func(e *metav1.ManagedFieldsEntry, set *fieldpath.Set) {
			if holds(set, got[0]) {
				t.Errorf("%s still has %s", e.Manager, got[0])
			}
		})
		mine, _ := ownedFields(after, testManager)
		if !holds(mine, got[0]) {
			t.Errorf("%s: we lost %s", name, got[0])
		}
	}

	must(t, fm.Update(parse(t, strings.Replace(with, "value: z", "value: again", 1)), "kubectl-set"))
	live.Object, err = runtime.DefaultUnstructuredConverter.ToUnstructured(fm.Live())
	must(t, err)
	desired := parse(t, without)
	owned, _ := ownedFields(live, testManager)
	if got := husks(removedPaths(compare(desired, live, owned), desired, live), live, testManager); len(got) > 0 {
		t.Errorf("theirs is taken: %v", got)
	}
}

// A Service changes between an address and none however it is written.
func TestChangesAddress(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		desired, live string
		want          bool
	}{
		"the same":           {"ports: [{port: 80}]", "clusterIP: 10.0.0.1\ntype: ClusterIP", false},
		"headless no more":   {"ports: [{port: 80}]", "clusterIP: None\nclusterIPs: [None]\ntype: ClusterIP", true},
		"an empty address":   {"clusterIP: \"\"", "clusterIP: None\ntype: ClusterIP", true},
		"headless":           {"clusterIP: None", "clusterIP: 10.0.0.1\ntype: ClusterIP", true},
		"headless by a list": {"clusterIPs: [None]", "clusterIP: None\nclusterIPs: [None]\ntype: ClusterIP", false},
		"on the nodes":       {"type: NodePort", "clusterIP: None\ntype: ClusterIP", true},
		"of a host outside":  {"type: ExternalName\nexternalName: a.example.com", "clusterIP: None\ntype: ClusterIP", false},
		"no more of a host":  {"ports: [{port: 80}]", "type: ExternalName\nexternalName: a.example.com", false},
	} {
		if got := changesAddress(parse(t, serviceOf(tt.desired)), parse(t, serviceOf(tt.live))); got != tt.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
