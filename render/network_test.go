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

// edges says of every policy of an app: its unit, its name, who may reach whom
// at which ports.
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
			if len(p.Spec.Ingress) != 1 || len(p.Spec.PolicyTypes) != 1 || p.Spec.PolicyTypes[0] != networkingv1.PolicyTypeIngress {
				t.Errorf("%s: %+v", p.Name, p.Spec)
				continue
			}
			if of := p.Labels[LabelName]; of != u.Name {
				t.Errorf("%s of the unit %s has the label of %q", p.Name, u.Name, of)
			}
			from := "anywhere"
			for _, peer := range p.Spec.Ingress[0].From {
				from = peer.PodSelector.MatchLabels[LabelName] + "." + peer.PodSelector.MatchLabels[LabelPartOf]
			}
			var ports []string
			for _, port := range p.Spec.Ingress[0].Ports {
				ports = append(ports, fmt.Sprintf("%s/%s", port.Port.StrVal, *port.Protocol))
			}
			to := p.Spec.PodSelector.MatchLabels
			found = append(found, fmt.Sprintf("%s %s: %s -> %s.%s %s", u.Name, p.Name, from, to[LabelName], to[LabelPartOf], strings.Join(ports, ",")))
		}
	}
	return found
}

// There is one policy per edge, its caller's, and one for what is exposed.
func TestPolicies(t *testing.T) {
	t.Parallel()
	app, opts := shop()
	want := []string{
		"catalog catalog-to-catalog: catalog.shop -> catalog.shop admin/TCP",
		"migrate migrate-to-catalog: migrate.shop -> catalog.shop http/TCP",
		"web web-to-basket: web.shop -> basket.shop http/TCP",
		"web web-to-catalog: web.shop -> catalog.shop admin/TCP,http/TCP",
		"web web-expose: anywhere -> web.shop http/TCP",
	}
	if got := edges(t, app, opts); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// A caller alone has the same policies as with all the others.
func TestPoliciesOfOne(t *testing.T) {
	t.Parallel()
	app, opts := shop()
	app.Service("basket").Ports[0].Protocol = "UDP"
	opts.Only = []string{"web"}
	want := []string{
		"web web-to-basket: web.shop -> basket.shop http/UDP",
		"web web-to-catalog: web.shop -> catalog.shop admin/TCP,http/TCP",
		"web web-expose: anywhere -> web.shop http/TCP",
	}
	if got := edges(t, app, opts); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	// So it has when the callee is in another part of the app.
	app.Services = []*schema.Service{app.Service("web")}
	want[0] = "web web-to-basket: web.shop -> basket.shop http/TCP"
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
