package render

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/schema"
)

// shopSecrets are values for the secrets of shop.
func shopSecrets() *Secrets {
	return &Secrets{
		Key: []byte("0123456789abcdef0123456789abcdef"),
		Values: map[string]map[string]map[string][]byte{
			"web": {
				"session": {"key": []byte("correct horse")},
				"files":   {"license": {}},
				"db":      {"PASSWORD": []byte("hunter2")},
			},
			"operator": {"api": {"local": []byte("here")}},
		},
	}
}

// named gives what change makes of a service called web: the names of its
// objects of a kind.
func named(t *testing.T, kind string, secrets *Secrets, change func(*schema.Service)) []string {
	t.Helper()
	s := &schema.Service{Name: "web", Image: "example.com/web@" + digestA}
	change(s)
	return names(find(t, &schema.App{Name: "shop", Services: []*schema.Service{s}}, Options{Secrets: secrets}, kind))
}

// find renders, and gives the objects of a kind.
func find(t *testing.T, app *schema.App, opts Options, kind string) []*unstructured.Unstructured {
	t.Helper()
	units, err := Render(app, opts)
	if err != nil {
		t.Fatal(err)
	}
	var found []*unstructured.Unstructured
	for _, u := range units {
		for _, o := range u.Objects {
			if o.GetKind() == kind {
				found = append(found, o)
			}
		}
	}
	return found
}

func names(objects []*unstructured.Unstructured) []string {
	var names []string
	for _, o := range objects {
		names = append(names, o.GetName())
	}
	return names
}

func TestConfigMapName(t *testing.T) {
	t.Parallel()
	name := func(config string, data map[string]string) string {
		t.Helper()
		got := named(t, "ConfigMap", nil, func(s *schema.Service) { s.Config = []schema.Config{{Name: config, Data: data}} })
		if len(got) != 1 || !regexp.MustCompile("^web-"+config+"-[0-9a-f]{10}$").MatchString(got[0]) {
			t.Fatalf("got %q", got)
		}
		return strings.TrimPrefix(got[0], "web-"+config+"-")
	}
	first := name("app", map[string]string{"a": "1", "b": "2"})
	if again := name("app", map[string]string{"b": "2", "a": "1"}); again != first {
		t.Errorf("the same data gave %s and %s", first, again)
	}
	for _, other := range []map[string]string{nil, {"a": "1"}, {"a": "1", "b": ""}, {"a": "2", "b": "1"}, {"a": "1b", "": "2"}, {"a": "1", "b": "2", "c": ""}} {
		if name("app", other) == first {
			t.Errorf("%v has the name of other data", other)
		}
	}
	if name("other", map[string]string{"a": "1", "b": "2"}) == first {
		t.Error("the same data in another config has the same hash: web-a and b could take the name of web and a-b")
	}
}

func TestSecretName(t *testing.T) {
	t.Parallel()
	keys := []schema.SecretKey{{Key: "password", Env: "PASSWORD"}, {Key: "user", File: "secrets/user"}}
	name := func(key, password, user string) string {
		t.Helper()
		secrets := &Secrets{Key: []byte(key), Values: map[string]map[string]map[string][]byte{
			"web": {"db": {"password": []byte(password), "user": []byte(user)}},
		}}
		got := named(t, "Secret", secrets, func(s *schema.Service) { s.Secrets = []schema.Secret{{Name: "db", Keys: keys}} })
		if len(got) != 1 || !regexp.MustCompile("^web-db-[0-9a-f]{10}$").MatchString(got[0]) {
			t.Fatalf("got %q", got)
		}
		return got[0]
	}
	first := name("key", "secret", "shop")
	if again := name("key", "secret", "shop"); again != first {
		t.Errorf("the same values gave %s and %s", first, again)
	}
	for what, other := range map[string]string{
		"another key":         name("yek", "secret", "shop"),
		"another value":       name("key", "Secret", "shop"),
		"a value moved":       name("key", "shop", "secret"),
		"a border moved":      name("key", "secrets", "hop"),
		"an empty value":      name("key", "", "shop"),
		"the key in a value":  name("k", "eysecret", "shop"),
		"nothing but the key": name("key", "", ""),
	} {
		if other == first {
			t.Errorf("%s gives the same name", what)
		}
	}
}

// Offline a Secret's name tells where its values would come from, so that a
// change of that shows, and nothing of the values is known.
func TestSecretOffline(t *testing.T) {
	t.Parallel()
	name := func(keys ...schema.SecretKey) string {
		t.Helper()
		got := named(t, "Secret", nil, func(s *schema.Service) { s.Secrets = []schema.Secret{{Name: "db", Keys: keys}} })
		if len(got) != 1 {
			t.Fatalf("got %q", got)
		}
		return got[0]
	}
	first := name(schema.SecretKey{Key: "password", Env: "PASSWORD"})
	for _, other := range []schema.SecretKey{{Key: "password", Env: "PASS"}, {Key: "password", File: "PASSWORD"}, {Key: "pass", Env: "PASSWORD"}} {
		if name(other) == first {
			t.Errorf("%+v has the name of another source", other)
		}
	}
	app, opts := shop()
	for _, o := range find(t, app, opts, "Secret") {
		if _, ok := o.Object["data"]; ok {
			t.Errorf("%s has data: %v", o.GetName(), o.Object)
		}
	}
}

// With values, they are in the Secrets' data and nowhere else, and what is
// written for people has none.
func TestSecretValues(t *testing.T) {
	t.Parallel()
	app, opts := shop()
	opts.Secrets = shopSecrets()
	for _, printed := range []string{fmt.Sprint(opts), fmt.Sprintf("%+v %#v", opts, *opts.Secrets), fmt.Sprintf("%s %x", opts.Secrets, opts)} {
		if strings.Contains(printed, "correct") || strings.Contains(printed, "636f7272") || strings.Contains(printed, "99 111 114") {
			t.Errorf("printed: %s", printed)
		}
	}
	secrets := find(t, app, opts, "Secret")
	if got := names(secrets); len(got) != 2 {
		t.Fatalf("got %q", got)
	}
	for i, want := range []map[string]string{{"license": ""}, {"key": "Y29ycmVjdCBob3JzZQ=="}} {
		data, _, err := unstructured.NestedStringMap(secrets[i].Object, "data")
		if err != nil || fmt.Sprint(data) != fmt.Sprint(want) {
			t.Errorf("%s: got %v, %v; want %v", secrets[i].GetName(), data, err, want)
		}
	}
	units, err := Render(app, opts)
	if err != nil {
		t.Fatal(err)
	}
	for _, marshal := range []func([]Unit) ([]byte, error){YAML, JSON} {
		text, err := marshal(units)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Contains(text, []byte("Y29ycmVjdC")) || bytes.Contains(text, []byte("correct horse")) || bytes.Contains(text, opts.Secrets.Key) {
			t.Errorf("written for people:\n%s", text)
		}
	}
	for _, u := range units {
		for _, o := range u.Objects {
			if text := fmt.Sprint(o.Object); o.GetKind() != "Secret" && (strings.Contains(text, "correct horse") || strings.Contains(text, "Y29ycmVjdC")) {
				t.Errorf("%s %s has the value: %s", o.GetKind(), o.GetName(), text)
			}
		}
	}
}

func TestSecretErrors(t *testing.T) {
	t.Parallel()
	app, opts := shop()
	for path, secrets := range map[string]*Secrets{
		"services.web.secrets.files":         {Values: shopSecrets().Values},
		"services.web.secrets.files.license": {Key: shopSecrets().Key},
	} {
		opts.Secrets = secrets
		_, err := Render(app, opts)
		var field *FieldError
		if !errors.As(err, &field) || field.Path != path {
			t.Errorf("got %v, want an error at %s", err, path)
		}
		if err != nil && strings.Contains(err.Error(), "correct horse") {
			t.Errorf("the error tells the value: %v", err)
		}
	}
}

// Hashed objects can never change: how the engine knows them.
func TestConfigIsImmutable(t *testing.T) {
	t.Parallel()
	app, opts := shop()
	opts.Secrets = shopSecrets()
	for _, kind := range []string{"ConfigMap", "Secret"} {
		for _, o := range find(t, app, opts, kind) {
			if immutable, _, _ := unstructured.NestedBool(o.Object, "immutable"); !immutable {
				t.Errorf("%s %s is not immutable", kind, o.GetName())
			}
		}
	}
}
