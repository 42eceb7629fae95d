package invariant

import (
	"slices"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"
)

// settled is an app of one service, whose release 2 runs; each call makes it anew.
func settled(t *testing.T) *State {
	t.Helper()
	s := &State{
		App: "shop",
		Index: &Index{Units: map[string]*Unit{"web": {
			State: "deployed", Release: 2, Healthy: 2, Last: 2, Deploy: "b",
			Releases: []Release{{Number: 2, Deploy: "b", Outcome: "deployed"}, {Number: 1, Deploy: "a", Outcome: "deployed"}},
		}}},
		Intents: map[string]*Intent{}, Records: map[string]bool{"a": true, "b": true},
		Objects: map[Ref]*unstructured.Unstructured{},
		Pods:    []Pod{{Name: "web-1", UID: "1", Unit: "web", Version: "2", Ready: true}},
	}
	check(t, yaml.Unmarshal([]byte(`{units: {web: {release: 1, objects: []}}}`), intent(s, "a")))
	check(t, yaml.Unmarshal([]byte(`{units: {web: {release: 2, objects: [
		{apiVersion: v1, kind: Service, metadata: {name: web}, spec: {ports: [{port: 80}]}},
		{apiVersion: apps/v1, kind: Deployment, metadata: {name: web}, spec: {template: {spec: {containers: [{name: web}]}}}}]}}}`), intent(s, "b")))
	live(t, s, `{apiVersion: v1, kind: Service, metadata: {name: web, labels: {app.kubernetes.io/name: web}}, spec: {clusterIP: 10.0.0.1, ports: [{port: 80, protocol: TCP}]}}`)
	live(t, s, `{apiVersion: apps/v1, kind: Deployment, metadata: {name: web, labels: {app.kubernetes.io/name: web}}, spec: {replicas: 1, template: {spec: {containers: [{name: web, env: [{name: VERSION, value: "2"}]}]}}}}`)
	return s
}

func intent(s *State, deploy string) *Intent {
	s.Intents[deploy] = &Intent{}
	return s.Intents[deploy]
}

func live(t *testing.T, s *State, text string) {
	t.Helper()
	data, err := yaml.YAMLToJSON([]byte(text))
	check(t, err)
	o := &unstructured.Unstructured{}
	check(t, o.UnmarshalJSON(data))
	s.Objects[refOf(o)] = o
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

var deployment = Ref{"apps", "Deployment", "web"}

// Everything that can be wrong is found.
func TestSettled(t *testing.T) {
	t.Parallel()
	for want, spoil := range map[string]func(s *State){
		"":                           func(*State) {},
		"Lease x is left":            func(s *State) { s.Leases = []string{"x"} },
		"web is locked by deploy c":  func(s *State) { s.Index.Units["web"].Lock = &Lock{"c"} },
		"records of deploy c":        func(s *State) { s.Records["c"] = true },
		"says deploying, release 2":  func(s *State) { s.Index.Units["web"].State = "deploying" },
		"release 2, healthy 1":       func(s *State) { s.Index.Units["web"].Healthy = 1 },
		"release 1 has no record":    func(s *State) { delete(s.Intents, "a") },
		"Deployment web is missing":  func(s *State) { delete(s.Objects, deployment) },
		"Deployment web has 1 pods":  func(s *State) { setReplicas(s, 2) },
		"Pod web-1 is not ready":     func(s *State) { s.Pods[0].Ready = false },
		"Service old belongs to no":  func(s *State) { s.Objects[Ref{"", "Service", "old"}] = &unstructured.Unstructured{} },
		".spec.ports[0].port is 81,": func(s *State) { setPort(s, 81) },
		"its outcome is \"\"":        func(s *State) { s.Index.Units["web"].Releases[0].Outcome = "" },
		"Service web belongs to no":  func(s *State) { s.Index = nil },
	} {
		s := settled(t)
		spoil(s)
		got := s.Settled()
		if want == "" && len(got) > 0 || want != "" && !slices.ContainsFunc(got, func(w string) bool { return strings.Contains(w, want) }) {
			t.Errorf("%q: got %q", want, got)
		}
	}
}

func setReplicas(s *State, n int64) {
	_ = unstructured.SetNestedField(s.Objects[deployment].Object, n, "spec", "replicas")
}

func setPort(s *State, n int64) {
	_ = unstructured.SetNestedSlice(s.Objects[Ref{"", "Service", "web"}].Object, []any{map[string]any{"port": n}}, "spec", "ports")
}

func TestGone(t *testing.T) {
	t.Parallel()
	s := settled(t)
	if got := s.Gone(false); len(got) != 4 {
		t.Errorf("of what is all there: %q", got)
	}
	s.Objects, s.Pods = nil, nil
	s.Index.Units["web"] = &Unit{State: "removed", Releases: s.Index.Units["web"].Releases}
	if got := s.Gone(true); len(got) != 0 {
		t.Errorf("with its history: %q", got)
	}
	s.Index, s.Records = nil, nil
	if got := s.Gone(false); len(got) != 0 {
		t.Errorf("without: %q", got)
	}
}

func TestPods(t *testing.T) {
	t.Parallel()
	before, s := settled(t), settled(t)
	if versions, wrong := s.Versions(); versions["web"] != "2" || len(wrong)+len(s.SamePods(before, "web")) > 0 {
		t.Errorf("%v, %q, %q", versions, wrong, s.SamePods(before, "web"))
	}
	s.Pods[0].Restarts++
	if got := s.SamePods(before, "web"); len(got) != 1 {
		t.Errorf("restarted: %q", got)
	}
	s.Pods[0].UID, s.Pods[0].Version = "2", "1"
	if _, wrong := s.Versions(); len(wrong) != 1 || len(s.SamePods(before, "web")) != 1 {
		t.Errorf("replaced: %q, %q", wrong, s.SamePods(before, "web"))
	}
}
