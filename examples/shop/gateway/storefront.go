package main

import (
	"encoding/json"
	"net/http"
	"net/url"
	"sync"
	"time"

	"example.com/shop/internal/kit"
)

// patience is how long the storefront waits for any one part of it.
const patience = 1500 * time.Millisecond

// storefront is all that a page shows, from the services that know it. What is
// missing says why, by service: the shop goes on selling without it.
type storefront struct {
	Customer      string            `json:"customer,omitempty"` // empty: nobody is signed in
	Catalog       json.RawMessage   `json:"catalog,omitempty"`
	Basket        json.RawMessage   `json:"basket,omitempty"`
	Orders        json.RawMessage   `json:"orders,omitempty"`
	Notifications json.RawMessage   `json:"notifications,omitempty"`
	Missing       map[string]string `json:"missing,omitempty"`
}

// storefront asks everybody at once.
func (g *gateway) storefront(r *http.Request) (any, error) {
	page := storefront{Missing: map[string]string{}}
	var mu sync.Mutex
	var parts sync.WaitGroup
	fetch := func(service string, from *kit.Client, path string, into *json.RawMessage) {
		parts.Go(func() {
			if err := from.Within(patience).Get(r.Context(), path, into); err != nil {
				mu.Lock()
				defer mu.Unlock()
				page.Missing[service] = err.Error()
			}
		})
	}
	fetch("catalog", g.catalog, "/items", &page.Catalog)
	if r.Header.Get("Authorization") != "" {
		customer, err := g.whose(r)
		switch {
		case kit.StatusOf(err) == http.StatusUnauthorized: // then it is a guest's page
		case err != nil:
			mu.Lock()
			page.Missing["identity"] = err.Error()
			mu.Unlock()
		default:
			page.Customer = customer
			path := "/customers/" + url.PathEscape(customer)
			fetch("basket", g.basket, path+"/basket", &page.Basket)
			fetch("ordering", g.ordering, path+"/orders", &page.Orders)
			fetch("notifications", g.notifications, path+"/notifications", &page.Notifications)
		}
	}
	parts.Wait()
	return page, nil
}
