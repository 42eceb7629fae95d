package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"example.com/shop/internal/kit"
	"example.com/shop/internal/store"
	"example.com/shop/internal/store/storetest"
)

// shop is ordering with a real store, and a basket and a catalog that answer as
// a test wants.
type shop struct {
	*ordering
	data     *storetest.Store
	basket   string
	stubborn atomic.Bool // the basket cannot be emptied
	emptied  atomic.Int32
	api      *kit.Client
}

func newShop(t *testing.T) *shop {
	t.Helper()
	s := &shop{
		data:   storetest.New(t, "ordering", "payment", "notifications"),
		basket: `{"id":"b1","lines":[{"item":"mug","quantity":2},{"item":"pencil","quantity":3}]}`,
	}
	others := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.Method + " " + r.URL.String() {
		case "GET /customers/ada/basket":
			w.Write([]byte(s.basket))
		case "GET /items":
			w.Write([]byte(`[{"id":"mug","name":"Mug","price":1250},{"id":"pencil","name":"Pencil","price":180}]`))
		case "DELETE /customers/ada/basket?id=b1":
			if s.stubborn.Load() {
				w.WriteHeader(http.StatusInternalServerError)
				return
			}
			s.emptied.Add(1)
			w.WriteHeader(http.StatusNoContent)
		default:
			t.Errorf("asked for %s %s", r.Method, r.URL)
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	t.Cleanup(others.Close)
	other := kit.NewClient("other", others.URL)
	s.ordering = &ordering{data: s.data.Client("ordering"), basket: other, catalog: other}
	server := kit.NewServer()
	s.routes(server)
	front := httptest.NewServer(server)
	t.Cleanup(front.Close)
	s.api = kit.NewClient("ordering", front.URL)
	return s
}

func (s *shop) order(t *testing.T) (placed order, err error) {
	t.Helper()
	err = s.api.Do(t.Context(), http.MethodPost, "/customers/ada/orders", nil, &placed)
	return placed, err
}

// settle has payment's word come, and ordering work on it.
func (s *shop) paymentSays(t *testing.T, word map[string]string) {
	t.Helper()
	if err := s.data.Client("payment").Commit(t.Context(), store.Push("ordering", word)); err != nil {
		t.Fatal(err)
	}
	m, err := s.ordering.data.Take(t.Context())
	if err != nil || m == nil {
		t.Fatalf("took %v, %v", m, err)
	}
	if err := s.ordering.data.Work(t.Context(), m, s.settle); err != nil {
		t.Fatal(err)
	}
}

func TestTheSameBasketIsOrderedOnce(t *testing.T) {
	s := newShop(t)
	s.stubborn.Store(true)
	first, err := s.order(t)
	if err != nil {
		t.Fatal(err)
	}
	if first.ID != "b1" || first.State != awaiting || first.Total != 2*1250+3*180 || first.Lines[0].Name != "Mug" {
		t.Errorf("ordered %+v", first)
	}
	s.stubborn.Store(false)
	second, err := s.order(t) // the customer thinks that it went wrong
	if err != nil || second.ID != first.ID || !second.Placed.Equal(first.Placed) {
		t.Errorf("ordered again: %+v, %v", second, err)
	}
	if s.emptied.Load() != 1 {
		t.Errorf("the basket was emptied %d times", s.emptied.Load())
	}
	if asked := s.data.Waiting("payment"); len(asked) != 1 || asked[0] != `{"customer":"ada","order":"ada/b1","total":3040}` {
		t.Errorf("payment is asked for %v", asked)
	}
}

func TestAnOrderIsSettledOnce(t *testing.T) {
	s := newShop(t)
	if _, err := s.order(t); err != nil {
		t.Fatal(err)
	}
	s.paymentSays(t, map[string]string{"order": "ada/b1", "declined": ""})
	s.paymentSays(t, map[string]string{"order": "ada/b1", "declined": ""})
	s.paymentSays(t, map[string]string{"order": "ada/b1", "declined": "another word comes too late"})
	var got order
	if err := s.api.Get(t.Context(), "/customers/ada/orders/b1", &got); err != nil || got.State != paid || got.Reason != "" {
		t.Errorf("the order is %+v, %v", got, err)
	}
	if told := s.data.Waiting("notifications"); len(told) != 1 || !strings.Contains(told[0], `"state":"paid"`) {
		t.Errorf("the customer is told %v", told)
	}
}

func TestADeclinedOrderSaysWhy(t *testing.T) {
	s := newShop(t)
	if _, err := s.order(t); err != nil {
		t.Fatal(err)
	}
	s.paymentSays(t, map[string]string{"order": "ada/b1", "declined": "too dear"})
	var got []order
	if err := s.api.Get(t.Context(), "/customers/ada/orders", &got); err != nil || len(got) != 1 || got[0].State != declined || got[0].Reason != "too dear" {
		t.Errorf("the orders are %+v, %v", got, err)
	}
}

func TestWhatCannotBeOrdered(t *testing.T) {
	for basket, want := range map[string]string{
		`{"id":"","lines":[]}`:                               "the basket is empty",
		`{"id":"b1","lines":[{"item":"gone","quantity":1}]}`: "gone is not sold any more: take it out of the basket",
	} {
		s := newShop(t)
		s.basket = basket
		if _, err := s.order(t); kit.StatusOf(err) != http.StatusConflict || err.Error() != want {
			t.Errorf("%s: %v", basket, err)
		}
		if asked := s.data.Waiting("payment"); len(asked) != 0 {
			t.Errorf("%s: payment is asked for %v", basket, asked)
		}
	}
}

func TestOrdersAreTheirCustomersAlone(t *testing.T) {
	s := newShop(t)
	if _, err := s.order(t); err != nil {
		t.Fatal(err)
	}
	if err := s.api.Get(t.Context(), "/customers/ad/orders/b1", nil); kit.StatusOf(err) != http.StatusNotFound {
		t.Errorf("another customer is told %v", err)
	}
	var got []order
	if err := s.api.Get(t.Context(), "/customers/ad/orders", &got); err != nil || len(got) != 0 {
		t.Errorf("another customer sees %+v, %v", got, err)
	}
}
