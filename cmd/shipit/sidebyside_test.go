package main

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/client-go/rest"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/internal/deploy"
	"github.com/shipit-dev/shipit/schema"
)

// Every environment is asked while the others are, and what becomes of them is
// told in their order.
func TestEnvironmentsAreCheckedSideBySide(t *testing.T) {
	t.Parallel()
	var validations []*deploy.Validation
	names := []string{"prod", "stage", "test"}
	for _, project := range []string{"a", "b"} {
		v := &deploy.Validation{}
		for _, name := range names {
			v.Apps = append(v.Apps, &schema.App{Name: project, Environment: name, Namespace: name})
		}
		validations = append(validations, v)
	}
	// Nobody gets an answer before all have asked.
	var all sync.WaitGroup
	all.Add(6)
	together := make(chan struct{})
	go func() { all.Wait(); close(together) }()
	err := deploy.CheckServer(t.Context(), validations, func(app *schema.App) (*apply.Client, error) {
		asks := sync.OnceFunc(all.Done)
		return apply.New(&rest.Config{
			Host: "https://127.0.0.1:1",
			WrapTransport: func(http.RoundTripper) http.RoundTripper {
				return roundTrip(func(*http.Request) (*http.Response, error) {
					asks()
					select {
					case <-together:
						return nil, errors.New(app.Name + " has no cluster")
					case <-time.After(patience):
						return nil, errors.New("the others did not ask")
					}
				})
			},
		}, apply.Owner{App: app.Name, Namespace: app.Namespace})
	})
	got := strings.Split(fmt.Sprint(err), "\n")
	i := 0
	for _, project := range []string{"a", "b"} {
		for _, name := range names {
			if want := "environment " + name + " of " + project + " was not checked against its cluster: "; i >= len(got) || !strings.HasPrefix(got[i], want) || !strings.HasSuffix(got[i], project+" has no cluster") {
				t.Errorf("line %d of\n%v\nwant %s", i, err, want)
			}
			i++
		}
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(req *http.Request) (*http.Response, error) { return f(req) }
