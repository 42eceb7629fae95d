package render

import (
	"errors"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"

	"github.com/shipit-dev/shipit/schema"
)

// variables says what a service's container gets, each as NAME=value.
func variables(t *testing.T, s *schema.Service) []string {
	t.Helper()
	s.Name, s.Image = "web", "web"
	var found []string
	for _, e := range podOf(t, s).Spec.Containers[0].Env {
		found = append(found, e.Name+"="+e.Value)
	}
	return found
}

func TestCallVariables(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name string
		call schema.Call
		want string
	}{
		{"a service", schema.Call{Name: "catalog", Service: "catalog", Port: 8080, Target: "http", Scheme: "http"}, "CATALOG_HOST=catalog CATALOG_PORT=8080 CATALOG_URL=http://catalog:8080"},
		{"by another name", schema.Call{Name: "price-list", Service: "catalog", Port: 5432, Target: "sql", Scheme: "tcp"}, "PRICE_LIST_HOST=catalog PRICE_LIST_PORT=5432 PRICE_LIST_URL=tcp://catalog:5432"},
		{"the scheme's port", schema.Call{Name: "catalog", Service: "catalog", Port: 80, Target: "http", Scheme: "http"}, "CATALOG_HOST=catalog CATALOG_PORT=80 CATALOG_URL=http://catalog"},
		{"a host outside", schema.Call{Name: "stripe", Host: "api.stripe.com", Port: 443, Scheme: "https"}, "STRIPE_HOST=api.stripe.com STRIPE_PORT=443 STRIPE_URL=https://api.stripe.com"},
		{"another scheme's port", schema.Call{Name: "stripe", Host: "api.stripe.com", Port: 80, Scheme: "https"}, "STRIPE_HOST=api.stripe.com STRIPE_PORT=80 STRIPE_URL=https://api.stripe.com:80"},
		{"no scheme", schema.Call{Name: "db", Host: "db.example.com", Port: 5432}, "DB_HOST=db.example.com DB_PORT=5432 DB_URL=tcp://db.example.com:5432"},
		{"a range", schema.Call{Name: "ledger", CIDR: "10.0.0.0/8", Port: 5432, Scheme: "tcp"}, ""},
	} {
		if got := strings.Join(variables(t, &schema.Service{Calls: []schema.Call{test.call}}), " "); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

// What the user wrote wins, one variable at a time, and is left as it is.
func TestEnvOfTheUserWins(t *testing.T) {
	t.Parallel()
	got := variables(t, &schema.Service{
		Env:   []schema.EnvVar{{Name: "ZED", Value: "$(DB_URL) $$(X) ${Y}"}, {Name: "DB_HOST", Value: "localhost"}, {Name: "A", Value: ""}},
		Calls: []schema.Call{{Name: "db", Service: "db", Port: 5432, Target: "sql", Scheme: "tcp"}},
	})
	want := []string{"A=", "DB_HOST=localhost", "DB_PORT=5432", "DB_URL=tcp://db:5432", "ZED=$(DB_URL) $$(X) ${Y}"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// Kubernetes replaces $(NAME) only by variables that come before.
func TestEnvAfterReferences(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ name, want string }{
		{"A=$(DB_URL)/shop DB_URL=x", "DB_URL=x A=$(DB_URL)/shop"},
		{"A=$(C) B=1 C=$(B)$(B)$(D)", "B=1 C=$(B)$(B)$(D) A=$(C)"},
		{"A=$$(B) B=1", "A=$$(B) B=1"},
		{"A=$(B) B=$(A) C=1", "B=$(A) A=$(B) C=1"},
		{"A=$(A)$() B=1", "A=$(A)$() B=1"},
	} {
		s := &schema.Service{}
		for _, pair := range strings.Fields(test.name) {
			name, value, _ := strings.Cut(pair, "=")
			s.Env = append(s.Env, schema.EnvVar{Name: name, Value: value})
		}
		if got := strings.Join(variables(t, s), " "); got != test.want {
			t.Errorf("%s: got %s, want %s", test.name, got, test.want)
		}
	}
}

// References name the hashed objects, and what exists by its own name.
func TestEnvReferences(t *testing.T) {
	t.Parallel()
	app, opts := shop()
	opts.Secrets = shopSecrets()
	secret := names(find(t, app, opts, "Secret"))[1]
	config := names(find(t, app, opts, "ConfigMap"))[0]
	got := map[string]corev1.EnvVarSource{}
	deployments := find(t, app, opts, "Deployment")
	for _, e := range template(t, deployments[len(deployments)-1]).Spec.Containers[0].Env {
		if e.ValueFrom != nil {
			got[e.Name] = *e.ValueFrom
		}
	}
	if r := got["SESSION_KEY"].SecretKeyRef; r == nil || r.Name != secret || r.Key != "key" {
		t.Errorf("SESSION_KEY is from %+v, not from %s", r, secret)
	}
	if r := got["API_TOKEN"].SecretKeyRef; r == nil || r.Name != "partner" || r.Key != "api-token" {
		t.Errorf("API_TOKEN is from %+v", r)
	}
	if r := got["LEVEL"].ConfigMapKeyRef; r == nil || r.Name != config || r.Key != "level" {
		t.Errorf("LEVEL is from %+v, not from %s", r, config)
	}
	if r := got["POD_IP"].FieldRef; r == nil || r.FieldPath != "status.podIP" || r.APIVersion != "v1" {
		t.Errorf("POD_IP is from %+v", r)
	}
	if len(got) != 4 {
		t.Errorf("got %+v", got)
	}
}

func TestReferenceErrors(t *testing.T) {
	t.Parallel()
	for path, change := range map[string]func(*schema.Service){
		"services.web.env.A": func(s *schema.Service) { s.Env = []schema.EnvVar{{Name: "A", Config: &schema.KeyRef{Name: "gone"}}} },
		"services.web.env.B": func(s *schema.Service) { s.Env = []schema.EnvVar{{Name: "B", Secret: &schema.KeyRef{Name: "gone"}}} },
		"services.web.env.C": func(s *schema.Service) {
			s.Env = []schema.EnvVar{{Name: "C", Secret: &schema.KeyRef{Name: "session", Key: "gone"}}}
		},
		"services.web.volumes.a": func(s *schema.Service) { s.Volumes = []schema.Volume{{Name: "a", Config: "gone"}} },
		"services.web.volumes.b": func(s *schema.Service) { s.Volumes = []schema.Volume{{Name: "b", Secret: "gone"}} },
		"services.web.volumes.c": func(s *schema.Service) { s.Volumes = []schema.Volume{{Name: "c"}} },
		"services.web.volumes.d.size": func(s *schema.Service) {
			s.Volumes = []schema.Volume{{Name: "d", Claim: &schema.Claim{Size: "big"}}}
		},
		"services.web.volumes.e.emptyDir.sizeLimit": func(s *schema.Service) {
			s.Volumes = []schema.Volume{{Name: "e", EmptyDir: &schema.EmptyDir{SizeLimit: "big"}}}
		},
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
