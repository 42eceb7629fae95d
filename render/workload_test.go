package render

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/utils/ptr"

	"github.com/shipit-dev/shipit/schema"
)

func TestStrategy(t *testing.T) {
	t.Parallel()
	claim := func(modes ...string) []schema.Volume {
		return []schema.Volume{{Name: "data", Mount: "/data", Claim: &schema.Claim{Size: "1Gi", AccessModes: modes}}}
	}
	const rolling = "map[rollingUpdate:map[maxSurge:25% maxUnavailable:0] type:RollingUpdate]"
	for _, test := range []struct {
		name    string
		volumes []schema.Volume
		rollout schema.Rollout
		want    string
	}{
		{"by default", nil, schema.Rollout{}, rolling},
		{"with numbers", nil, schema.Rollout{MaxSurge: "2", MaxUnavailable: "10%"}, "map[rollingUpdate:map[maxSurge:2 maxUnavailable:10%] type:RollingUpdate]"},
		{"as asked", nil, schema.Rollout{Strategy: "Recreate"}, "map[type:Recreate]"},
		{"with a claim", claim(), schema.Rollout{}, "map[type:Recreate]"},
		{"with a claim of one pod", claim("ReadWriteOncePod"), schema.Rollout{}, "map[type:Recreate]"},
		{"with a claim of many nodes", claim("ReadWriteMany"), schema.Rollout{}, rolling},
		{"with a claim, as asked", claim("ReadWriteOnce"), schema.Rollout{Strategy: "RollingUpdate"}, rolling},
	} {
		o := workloadOf(t, &schema.Service{Name: "web", Image: "web", Volumes: test.volumes, Rollout: test.rollout})
		strategy, _, err := unstructured.NestedMap(o.Object, "spec", "strategy")
		if got := fmt.Sprint(strategy); err != nil || got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

func TestLifecycle(t *testing.T) {
	t.Parallel()
	http := []schema.Port{{Name: "http", Port: 8080}}
	seconds := func(n int64) schema.Lifecycle {
		return schema.Lifecycle{PreStop: &schema.PreStop{SleepSeconds: ptr.To(n)}}
	}
	for _, test := range []struct {
		name      string
		workload  string
		ports     []schema.Port
		lifecycle schema.Lifecycle
		want      string
		grace     int64
	}{
		{"with ports", "", http, schema.Lifecycle{}, "map[sleep:map[seconds:3]]", 30},
		{"a StatefulSet", schema.StatefulSet, http, schema.Lifecycle{}, "map[sleep:map[seconds:3]]", 30},
		{"without ports", "", nil, schema.Lifecycle{}, "map[]", 30},
		{"a Job", schema.Job, http, schema.Lifecycle{}, "map[]", 30},
		{"another sleep", "", http, seconds(1), "map[sleep:map[seconds:1]]", 30},
		{"a long sleep", "", http, seconds(40), "map[sleep:map[seconds:40]]", 67},
		{"no sleep", "", http, seconds(0), "map[]", 30},
		{"a command", "", http, schema.Lifecycle{PreStop: &schema.PreStop{Exec: []string{"stop"}}}, "map[exec:map[command:[stop]]]", 30},
		{"a request", "", http, schema.Lifecycle{PreStop: &schema.PreStop{HTTP: &schema.HTTPProbe{Path: "/stop"}}}, "map[httpGet:map[path:/stop port:http]]", 30},
		{"more time", "", http, schema.Lifecycle{TerminationGracePeriodSeconds: ptr.To(int64(90))}, "map[sleep:map[seconds:3]]", 90},
		{"less time than the sleep", "", http, schema.Lifecycle{TerminationGracePeriodSeconds: ptr.To(int64(2))}, "map[sleep:map[seconds:2]]", 2},
		{"no time", "", http, schema.Lifecycle{TerminationGracePeriodSeconds: ptr.To(int64(0))}, "map[]", 0},
	} {
		o := workloadOf(t, &schema.Service{Name: "web", Image: "web", Workload: test.workload, Ports: test.ports, Lifecycle: test.lifecycle})
		containers, _, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
		preStop, _, _ := unstructured.NestedMap(containers[0].(map[string]any), "lifecycle", "preStop")
		grace, _, _ := unstructured.NestedInt64(o.Object, "spec", "template", "spec", "terminationGracePeriodSeconds")
		if got := fmt.Sprint(preStop); got != test.want || grace != test.grace {
			t.Errorf("%s: got %s and %d s, want %s and %d s", test.name, got, grace, test.want, test.grace)
		}
	}
}

// A Job's name changes with what it runs, and with nothing else.
func TestJobName(t *testing.T) {
	t.Parallel()
	name := func(change func(*schema.App, *schema.Service)) string {
		t.Helper()
		s := &schema.Service{Name: "migrate", Image: "migrate@" + digestA, Workload: schema.Job, Config: []schema.Config{{Name: "app", Data: map[string]string{"a": "1"}}},
			Env: []schema.EnvVar{{Name: "A", Config: &schema.KeyRef{Name: "app", Key: "a"}}}}
		app := &schema.App{Name: "shop", Services: []*schema.Service{s}}
		change(app, s)
		return names(find(t, app, Options{}, "Job"))[0]
	}
	first := name(func(*schema.App, *schema.Service) {})
	for what, change := range map[string]func(*schema.App, *schema.Service){
		"the namespace": func(a *schema.App, _ *schema.Service) { a.Namespace = "elsewhere" },
		"what it needs": func(_ *schema.App, s *schema.Service) { s.Needs = []string{"db"} },
		"its deadline":  func(_ *schema.App, s *schema.Service) { s.Rollout.DeadlineSeconds = 60 },
		"unused config": func(_ *schema.App, s *schema.Service) { s.Config = append(s.Config, schema.Config{Name: "more"}) },
		"its neighbours": func(a *schema.App, _ *schema.Service) {
			a.Services = append(a.Services, &schema.Service{Name: "web", Image: "web"})
		},
	} {
		if got := name(change); got != first {
			t.Errorf("%s makes another Job", what)
		}
	}
	for what, change := range map[string]func(*schema.App, *schema.Service){
		"the image":       func(_ *schema.App, s *schema.Service) { s.Image = "migrate@" + digestB },
		"the arguments":   func(_ *schema.App, s *schema.Service) { s.Args = []string{"down"} },
		"its config":      func(_ *schema.App, s *schema.Service) { s.Config[0].Data["a"] = "2" },
		"a label of pods": func(a *schema.App, _ *schema.Service) { a.Labels = map[string]string{"team": "store"} },
		"how often":       func(_ *schema.App, s *schema.Service) { s.Rollout.BackoffLimit = ptr.To(int32(1)) },
	} {
		if got := name(change); got == first {
			t.Errorf("%s is changed, but the Job is the same", what)
		}
	}
}

// The longest names that schema allows give objects that Kubernetes takes.
func TestLongNames(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("n", 62)
	services := []*schema.Service{}
	for _, workload := range []string{schema.Deployment, schema.StatefulSet, schema.Job} {
		for _, last := range []string{"x", "y"} {
			name := long + last
			if workload == schema.StatefulSet {
				name = long[:longest-1] + last
			}
			name = strings.ToLower(workload[:1]) + name[1:]
			services = append(services, &schema.Service{
				Name: name, Image: "web", Workload: workload, Ports: []schema.Port{{Name: "http", Port: 80}},
				Config:  []schema.Config{{Name: long}},
				Secrets: []schema.Secret{{Name: long, Keys: []schema.SecretKey{{Key: "key", Env: "KEY"}}}},
				Volumes: []schema.Volume{{Name: long, Mount: "/data", Claim: &schema.Claim{Size: "1Gi"}}},
				Calls:   []schema.Call{{Name: long, Service: "d" + long[1:] + "x", Target: "http"}},
				Expose:  []schema.Expose{{Name: long, Host: "example.com"}},
			})
		}
	}
	units, err := Render(&schema.App{Name: long, Namespace: long, Services: services, Quota: map[string]string{"pods": "1"}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, u := range units {
		for _, o := range u.Objects {
			valid := validation.IsDNS1123Subdomain
			switch o.GetKind() {
			case "Service":
				valid = validation.IsDNS1035Label
			case "Job", "Deployment": // labels of pods
				valid = validation.IsDNS1123Label
			}
			if wrong := valid(o.GetName()); len(wrong) > 0 {
				t.Errorf("%s %s: %v", o.GetKind(), o.GetName(), wrong)
			}
			if id := o.GetKind() + " " + o.GetName(); seen[id] {
				t.Errorf("there are two of %s", id)
			} else {
				seen[id] = true
			}
			for key, value := range o.GetLabels() {
				if wrong := validation.IsValidLabelValue(value); len(wrong) > 0 {
					t.Errorf("%s %s: %s: %v", o.GetKind(), o.GetName(), key, wrong)
				}
			}
		}
	}
	// A longer one would have pods that its controller cannot make.
	_, err = Render(&schema.App{Name: "a", Services: []*schema.Service{{Name: long[:longest+1], Image: "web", Workload: schema.StatefulSet}}}, Options{})
	var field *FieldError
	if !errors.As(err, &field) {
		t.Errorf("got %v", err)
	}
}

func TestUnits(t *testing.T) {
	t.Parallel()
	app, opts := shop()
	describe := func() string {
		units, err := Render(app, opts)
		if err != nil {
			t.Fatal(err)
		}
		var found []string
		for _, u := range units {
			found = append(found, fmt.Sprintf("%s %v %s", u.Name, u.Needs, u.Deadline))
		}
		return strings.Join(found, ", ")
	}
	if got, want := describe(), "_app [] 0s, basket [] 0s, catalog [] 0s, migrate [catalog] "+(2*time.Minute).String()+", web [basket catalog] "+(15*time.Minute).String(); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	opts.Only = []string{"basket", AppUnit}
	if got, want := describe(), "_app [] 0s, basket [] 0s"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	opts.Only, app.Quota = nil, nil
	if got := describe(); strings.Contains(got, AppUnit) {
		t.Errorf("nothing belongs to no service, but got %s", got)
	}
}

// Labels of the app are on everything but selectors and the templates of claims,
// which can never change.
func TestAppLabels(t *testing.T) {
	t.Parallel()
	app, opts := shop()
	app.Labels = map[string]string{"team": "store", LabelName: "mine", LabelPartOf: "mine", LabelManagedBy: "me"}
	units, err := Render(app, opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, u := range units {
		for _, o := range u.Objects {
			labels := o.GetLabels()
			want := []string{u.Name, "shop", ManagedBy, "store"}
			if u.Name == AppUnit {
				want[0] = ""
			}
			if got := []string{labels[LabelName], labels[LabelPartOf], labels[LabelManagedBy], labels["team"]}; !slices.Equal(got, want) {
				t.Errorf("%s %s has %q, want %q", o.GetKind(), o.GetName(), got, want)
			}
			if pod := template(t, o); pod != nil && pod.Labels["team"] != "store" {
				t.Errorf("the pods of %s have %v", o.GetName(), pod.Labels)
			}
			for _, path := range [][]string{{"spec", "selector"}, {"spec", "podSelector"}, {"spec", "volumeClaimTemplates"}, {"spec", "ingress"}} {
				if field, ok, _ := unstructured.NestedFieldNoCopy(o.Object, path...); ok && strings.Contains(fmt.Sprint(field), "store") {
					t.Errorf("%s %s selects by it: %v", o.GetKind(), o.GetName(), field)
				}
			}
		}
	}
}
