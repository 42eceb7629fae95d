package main

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"example.com/shop/internal/kit"
	"example.com/shop/internal/store/storetest"
)

func TestTheCatalogIsReplacedAsAWhole(t *testing.T) {
	server := kit.NewServer()
	(&catalog{storetest.New(t, "catalog").Client("catalog")}).routes(server)
	web := httptest.NewServer(server)
	defer web.Close()
	api := kit.NewClient("catalog", web.URL)
	replace := func(items []item) error {
		return api.Do(t.Context(), http.MethodPut, "/items", items, nil)
	}
	mug, lamp, pencil := item{"mug", "Mug", "", 1250}, item{"lamp", "Lamp", "", 14900}, item{"pencil", "Pencil", "", 180}
	for _, items := range [][]item{{mug, lamp}, {pencil, mug}} {
		if err := replace(items); err != nil {
			t.Fatal(err)
		}
	}
	for what, bad := range map[string][]item{
		"item 2: its id is \"A b\": it must be at most 40 of a-z, 0-9 and -, starting with a letter": {lamp, {"A b", "X", "", 1}},
		"item lamp is there twice": {lamp, lamp},
		"item x has no name":       {lamp, {"x", "", "", 1}},
		"item x: its price is 0 cents: it must be more than nothing": {lamp, {"x", "X", "", 0}},
	} {
		if err := replace(bad); kit.StatusOf(err) != http.StatusBadRequest || err.Error() != what {
			t.Errorf("got %v, want %s", err, what)
		}
	}
	var got []item
	if err := api.Get(t.Context(), "/items", &got); err != nil || len(got) != 2 || got[0] != mug || got[1] != pencil {
		t.Errorf("the catalog is %v, %v", got, err)
	}
	if err := api.Get(t.Context(), "/items/lamp", nil); kit.StatusOf(err) != http.StatusNotFound {
		t.Errorf("what is not sold any more: %v", err)
	}
}
