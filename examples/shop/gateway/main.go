// Gateway is the shop's one door for programs: it knows which service answers
// what, and who is asking.
package main

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"example.com/shop/internal/kit"
)

func main() {
	kit.Main("gateway", func(_ context.Context, s *kit.Server) error {
		newGateway(s).routes(s)
		return nil
	})
}

// gateway needs none of these to be ready: what one cannot answer, the others
// still can.
type gateway struct{ identity, catalog, basket, ordering, notifications *kit.Client }

func newGateway(s *kit.Server) *gateway {
	return &gateway{
		identity:      s.Client("identity"),
		catalog:       s.Client("catalog"),
		basket:        s.Client("basket"),
		ordering:      s.Client("ordering"),
		notifications: s.Client("notifications"),
	}
}

// routes are the API. What is {customer} in a service's path is whose token was
// shown, and so nobody can ask for what is another's.
func (g *gateway) routes(s *kit.Server) {
	for _, route := range []struct {
		pattern string
		to      *kit.Client
		path    string
	}{
		{"POST /api/customers", g.identity, "/customers"},
		{"POST /api/tokens", g.identity, "/tokens"},
		{"GET /api/catalog", g.catalog, "/items"},
		{"GET /api/catalog/{id}", g.catalog, "/items/{id}"},
		{"GET /api/basket", g.basket, "/customers/{customer}/basket"},
		{"PUT /api/basket/{id}", g.basket, "/customers/{customer}/basket/{id}"},
		{"DELETE /api/basket", g.basket, "/customers/{customer}/basket"},
		{"POST /api/orders", g.ordering, "/customers/{customer}/orders"},
		{"GET /api/orders", g.ordering, "/customers/{customer}/orders"},
		{"GET /api/orders/{id}", g.ordering, "/customers/{customer}/orders/{id}"},
		{"GET /api/notifications", g.notifications, "/customers/{customer}/notifications"},
	} {
		s.Handle(route.pattern, g.forward(route.to, route.path))
	}
	s.Handle("GET /api/storefront", g.storefront)
	s.Handle("/", func(r *http.Request) (any, error) {
		return nil, kit.Errorf(http.StatusNotFound, "there is no %s %s here", r.Method, r.URL.Path)
	})
}

// forward passes a request on to the service that answers it.
func (g *gateway) forward(to *kit.Client, path string) kit.Handler {
	return func(r *http.Request) (any, error) {
		fill := []string{"{id}", url.PathEscape(r.PathValue("id"))}
		if strings.Contains(path, "{customer}") {
			customer, err := g.whose(r)
			if err != nil {
				return nil, err
			}
			fill = append(fill, "{customer}", url.PathEscape(customer))
		}
		var body, answer json.RawMessage
		if r.ContentLength != 0 {
			if err := kit.Decode(r, &body); err != nil {
				return nil, err
			}
		}
		var sent any // an interface of a nil body is not nil
		if body != nil {
			sent = body
		}
		if err := to.Do(r.Context(), r.Method, strings.NewReplacer(fill...).Replace(path), sent, &answer); err != nil {
			return nil, err
		}
		if answer == nil {
			return nil, nil
		}
		return answer, nil
	}
}

// whose gives the customer whose token a request shows.
func (g *gateway) whose(r *http.Request) (string, error) {
	token, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	var who struct{ Customer string }
	err := g.identity.As(token).Get(r.Context(), "/customer", &who)
	return who.Customer, err
}
