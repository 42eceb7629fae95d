package render

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"testing"

	"github.com/shipit-dev/shipit/schema"
)

// Neither the order of maps nor that of lists shows, and what is given stays as
// it was.
func FuzzRenderOrder(f *testing.F) {
	for seed := range uint64(30) {
		f.Add(seed)
	}
	want := map[string][]byte{}
	for name, app := range apps {
		app, opts := app()
		want[name] = rendered(f, app, opts)
	}
	f.Fuzz(func(t *testing.T, seed uint64) {
		random := rand.New(rand.NewPCG(seed, 0))
		for name, app := range apps {
			app, opts := app()
			shuffle(random, app)
			before := dump(t, app)
			if got := rendered(t, app, opts); !bytes.Equal(got, want[name]) {
				t.Errorf("%s, shuffled by %d:\n%s\nand in the usual order:\n%s", name, seed, got, want[name])
			}
			if after := dump(t, app); !bytes.Equal(before, after) {
				t.Errorf("%s was changed:\n%s\n%s", name, before, after)
			}
		}
	})
}

// rendered has the values of secrets too, by their hashes in the names.
func rendered(t testing.TB, app *schema.App, opts Options) []byte {
	t.Helper()
	opts.Secrets = shopSecrets()
	units, err := Render(app, opts)
	if err != nil {
		t.Fatal(err)
	}
	return dump(t, units)
}

func dump(t testing.TB, value any) []byte {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func shuffle(random *rand.Rand, app *schema.App) {
	mix(random, app.Services)
	mix(random, app.Objects)
	mix(random, app.Gateways)
	for _, g := range app.Gateways {
		mix(random, g.Listeners)
	}
	for _, s := range app.Services {
		mix(random, s.Ports)
		mix(random, s.Env)
		mix(random, s.Config)
		mix(random, s.Secrets)
		for _, secret := range s.Secrets {
			mix(random, secret.Keys)
		}
		mix(random, s.Volumes)
		mix(random, s.Calls)
		for _, containers := range [][]schema.Container{s.Init, s.Sidecars} {
			mix(random, containers)
			for _, c := range containers {
				mix(random, c.Env)
				mix(random, c.Ports)
				mix(random, c.Mounts)
			}
		}
		mix(random, s.Before)
		mix(random, s.After)
		mix(random, s.Callers)
		mix(random, s.Permissions)
		mix(random, s.Placement.Near)
		mix(random, s.Placement.Apart)
		mix(random, s.Placement.Spread)
		mix(random, s.Placement.Tolerations)
		if s.Autoscale != nil {
			mix(random, s.Autoscale.Metrics)
		}
		for _, e := range s.Expose {
			mix(random, e.Routes)
			for _, r := range e.Routes {
				mix(random, r.Backends)
			}
		}
		mix(random, s.Needs)
		mix(random, s.Expose)
		mix(random, s.Pull)
		mix(random, s.Security.AddCapabilities)
	}
}

func mix[T any](random *rand.Rand, items []T) {
	random.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
}
