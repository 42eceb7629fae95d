package main

import (
	"context"
	"errors"
	"slices"
	"testing"

	"example.com/shop/internal/store"
	"example.com/shop/internal/store/storetest"
)

var due = demand{Order: "ada/1", Customer: "ada", Total: 500}

func newPayment(data *storetest.Store, charged *[]string) *payment {
	return &payment{data: data.Client("payment"), charge: func(_ context.Context, key string, _ int) (string, error) {
		*charged = append(*charged, key)
		return "", nil
	}}
}

// ask puts a demand into the queue as ordering does.
func ask(t *testing.T, data *storetest.Store) {
	t.Helper()
	if err := data.Client("ordering").Commit(t.Context(), store.Push("payment", due)); err != nil {
		t.Fatal(err)
	}
}

func take(t *testing.T, p *payment) *store.Message {
	t.Helper()
	m, err := p.data.Take(t.Context())
	if err != nil || m == nil {
		t.Fatalf("took %v, %v", m, err)
	}
	return m
}

func TestADemandMadeTwiceIsPaidOnce(t *testing.T) {
	data := storetest.New(t, "ordering", "payment")
	var charged []string
	p := newPayment(data, &charged)
	for range 2 {
		ask(t, data)
		if err := p.data.Work(t.Context(), take(t, p), p.pay); err != nil {
			t.Fatal(err)
		}
	}
	if !slices.Equal(charged, []string{"ada/1"}) {
		t.Errorf("charged %v", charged)
	}
	if told := data.Waiting("ordering"); !slices.Equal(told, []string{`{"declined":"","order":"ada/1"}`}) {
		t.Errorf("ordering is told %v", told)
	}
	if left := data.Waiting("payment"); len(left) != 0 {
		t.Errorf("left in the queue: %v", left)
	}
}

// Killed after the bank was asked and before anything was stored, payment asks
// the bank again, with the same key.
func TestACrashBeforeTheReceiptIsStored(t *testing.T) {
	data := storetest.New(t, "ordering", "payment")
	var charged []string
	p := newPayment(data, &charged)
	ask(t, data)
	lost := take(t, p)
	if _, err := p.pay(t.Context(), lost.Value); err != nil {
		t.Fatal(err)
	}
	if told := data.Waiting("ordering"); len(told) != 0 {
		t.Fatalf("ordering is told %v before it is stored", told)
	}
	data.Restart()
	if err := p.data.Work(t.Context(), take(t, p), p.pay); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(charged, []string{"ada/1", "ada/1"}) {
		t.Errorf("charged with the keys %v", charged)
	}
	if err := p.data.Work(t.Context(), lost, p.pay); !errors.Is(err, store.ErrConflict) {
		t.Errorf("the one that was thought dead may still acknowledge: %v", err)
	}
	if told := data.Waiting("ordering"); len(told) != 1 {
		t.Errorf("ordering is told %v", told)
	}
}

func TestABankThatFailsIsAskedAgain(t *testing.T) {
	data := storetest.New(t, "ordering", "payment")
	down := errors.New("the line is dead")
	p := &payment{data: data.Client("payment"), charge: func(context.Context, string, int) (string, error) { return "", down }}
	ask(t, data)
	if err := p.data.Work(t.Context(), take(t, p), p.pay); !errors.Is(err, down) {
		t.Fatal(err)
	}
	data.Restart() // as the end of the lease
	p.charge = bank(499)
	if err := p.data.Work(t.Context(), take(t, p), p.pay); err != nil {
		t.Fatal(err)
	}
	want := []string{`{"declined":"the bank pays at most €4.99 at once","order":"ada/1"}`}
	if told := data.Waiting("ordering"); !slices.Equal(told, want) {
		t.Errorf("ordering is told %v", told)
	}
}
