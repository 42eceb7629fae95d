package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"example.com/shop/internal/kit"
	"example.com/shop/internal/store/storetest"
)

// newBaskets gives an API whose catalog sells everything but "nothing".
func newBaskets(t *testing.T) *kit.Client {
	t.Helper()
	catalog := kit.NewServer()
	catalog.Handle("GET /items/{id}", func(r *http.Request) (any, error) {
		if r.PathValue("id") == "nothing" {
			return nil, kit.Errorf(http.StatusNotFound, "we do not sell nothing")
		}
		return map[string]string{"id": r.PathValue("id")}, nil
	})
	api := kit.NewServer()
	(&baskets{data: storetest.New(t, "basket").Client("basket"), catalog: serve(t, catalog)}).routes(api)
	return serve(t, api)
}

func serve(t *testing.T, h http.Handler) *kit.Client {
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return kit.NewClient("test", server.URL)
}

func put(t *testing.T, api *kit.Client, item string, body any) (basket, error) {
	var after basket
	err := api.Do(t.Context(), http.MethodPut, "/customers/ada/basket/"+item, body, &after)
	return after, err
}

type quantity struct {
	Quantity int `json:"quantity"`
}

func TestABasketIsFilledAndEmptied(t *testing.T) {
	api := newBaskets(t)
	for _, item := range []string{"mug", "lamp", "mug"} {
		if _, err := put(t, api, item, quantity{2}); err != nil {
			t.Fatal(err)
		}
	}
	full, err := put(t, api, "lamp", quantity{0})
	if err != nil || len(full.Lines) != 1 || full.Lines[0] != (line{"mug", 2}) {
		t.Fatalf("the basket is %+v, %v", full, err)
	}
	var got basket
	for _, step := range []struct {
		id   string
		left int
	}{{"another", 1}, {full.ID, 0}} {
		if err := api.Do(t.Context(), http.MethodDelete, "/customers/ada/basket?id="+step.id, nil, nil); err != nil {
			t.Fatal(err)
		}
		if err := api.Get(t.Context(), "/customers/ada/basket", &got); err != nil || len(got.Lines) != step.left {
			t.Errorf("after %s was ordered the basket is %+v, %v", step.id, got, err)
		}
	}
}

func TestWhatDoesNotGoIntoABasket(t *testing.T) {
	api := newBaskets(t)
	for _, bad := range []struct {
		item   string
		body   any
		status int
	}{
		{"nothing", quantity{1}, http.StatusNotFound},
		{"mug", quantity{100}, http.StatusBadRequest},
		{"mug", quantity{-1}, http.StatusBadRequest},
		{"mug", map[string]any{}, http.StatusBadRequest},
		{"mug", map[string]any{"quantity": "two"}, http.StatusBadRequest},
		{"mug", map[string]any{"quantity": 1, "price": 1}, http.StatusBadRequest},
	} {
		if _, err := put(t, api, bad.item, bad.body); kit.StatusOf(err) != bad.status {
			t.Errorf("%s %v: %v", bad.item, bad.body, err)
		}
	}
}

// Two tabs of one customer lose nothing of each other.
func TestABasketChangedAtOnce(t *testing.T) {
	api := newBaskets(t)
	var both sync.WaitGroup
	for n := range 2 {
		both.Go(func() {
			for i := range 5 {
				if _, err := put(t, api, fmt.Sprintf("item-%d-%d", n, i), quantity{1}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	both.Wait()
	var got basket
	if err := api.Get(t.Context(), "/customers/ada/basket", &got); err != nil || len(got.Lines) != 10 {
		t.Errorf("the basket is %+v, %v", got, err)
	}
}
