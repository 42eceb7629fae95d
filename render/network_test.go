package render

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/shipit-dev/shipit/schema"
)

// edges says of every policy of an app: its unit, its name, whose it is, and how
// many rules it has for each direction.
func edges(t *testing.T, app *schema.App, opts Options) []string {
	t.Helper()
	units, err := Render(app, opts)
	if err != nil {
		t.Fatal(err)
	}
	var found []string
	for _, u := range units {
		for _, o := range u.Objects {
			if o.GetKind() != "NetworkPolicy" {
				continue
			}
			var p networkingv1.NetworkPolicy
			if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &p); err != nil {
				t.Fatal(err)
			}
			if of := p.Labels[LabelName]; of != u.Name {
				t.Errorf("%s of the unit %s has the label of %q", p.Name, u.Name, of)
			}
			var ports []string
			for _, rule := range p.Spec.Ingress {
				for _, port := range rule.Ports {
					ports = append(ports, fmt.Sprintf("%s/%s", port.Port.StrVal, *port.Protocol))
				}
			}
			found = append(found, fmt.Sprintf("%s %s: %s %v %s, %d out", u.Name, p.Name, p.Spec.PodSelector.MatchLabels[LabelName], p.Spec.PolicyTypes, strings.Join(ports, ","), len(p.Spec.Egress)))
		}
	}
	return found
}

// There is one policy of the pods of each service, and one per edge: its
// caller's.
func TestPolicies(t *testing.T) {
	t.Parallel()
	app, opts := shop()
	want := []string{
		"basket basket: basket [Ingress Egress] , 1 out",
		"catalog catalog: catalog [Ingress Egress] , 2 out",
		"catalog catalog-to-catalog: catalog [Ingress] admin/TCP, 0 out",
		"migrate migrate: migrate [Ingress Egress] , 2 out",
		"migrate migrate-to-catalog: catalog [Ingress] http/TCP, 0 out",
		"web web: web [Ingress Egress] http/TCP, 5 out",
		"web web-to-basket: basket [Ingress] http/TCP, 0 out",
		"web web-to-catalog: catalog [Ingress] admin/TCP,http/TCP, 0 out",
	}
	if got := edges(t, app, opts); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	app.Network.Policy = false
	if got := edges(t, app, opts); len(got) != 0 {
		t.Errorf("turned off, but got\n%s", strings.Join(got, "\n"))
	}
}

// A caller alone has the same policies as with all the others.
func TestPoliciesOfOne(t *testing.T) {
	t.Parallel()
	app, opts := shop()
	app.Service("basket").Ports[0].Protocol = "UDP"
	opts.Only = []string{"web"}
	want := []string{
		"web web: web [Ingress Egress] http/TCP, 5 out",
		"web web-to-basket: basket [Ingress] http/UDP, 0 out",
		"web web-to-catalog: catalog [Ingress] admin/TCP,http/TCP, 0 out",
	}
	if got := edges(t, app, opts); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	// So it has when the callee is in another part of the app.
	app.Services = []*schema.Service{app.Service("web")}
	want[1] = "web web-to-basket: basket [Ingress] http/TCP, 0 out"
	if got := edges(t, app, opts); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestNetworkErrors(t *testing.T) {
	t.Parallel()
	for path, change := range map[string]func(*schema.Service){
		"services.web.calls.catalog": func(s *schema.Service) { s.Calls = []schema.Call{{Name: "catalog", Service: "catalog", Target: "web"}} },
		"services.web.calls.gone":    func(s *schema.Service) { s.Calls = []schema.Call{{Name: "gone", Service: "gone"}} },
		"services.web.expose.public": func(s *schema.Service) { s.Expose = []schema.Expose{{Name: "public", Port: "grpc"}} },
	} {
		app, opts := shop()
		change(app.Service("web"))
		_, err := Render(app, opts)
		var field *FieldError
		if !errors.As(err, &field) || field.Path != path {
			t.Errorf("got %v, want an error at %s", err, path)
		}
	}
}

// Two names that are one, by the "-" in them, are told before a cluster is.
func TestNamesThatMeet(t *testing.T) {
	t.Parallel()
	app := &schema.App{Name: "app", Services: []*schema.Service{
		{Name: "web", Image: "web", Workload: schema.StatefulSet, Ports: httpPorts},
		{Name: "web-headless", Image: "web", Ports: httpPorts},
	}}
	_, err := Render(app, Options{})
	var field *FieldError
	if !errors.As(err, &field) || field.Path != "services.web-headless" {
		t.Errorf("got %v", err)
	}
}
