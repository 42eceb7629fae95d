// Payment charges customers for their orders. Nobody calls it: it works off its
// queue, which ordering fills, and so it may be away for a while without an
// order being refused or lost.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"example.com/shop/internal/kit"
	"example.com/shop/internal/store"
)

// demand is what ordering asks for, and receipt what came of it.
type demand struct {
	Order    string `json:"order"`
	Customer string `json:"customer"`
	Total    int    `json:"total"` // in cents
}

type receipt struct {
	demand
	At       time.Time `json:"at"`
	Declined string    `json:"declined,omitempty"` // why; empty when it was paid
}

func main() {
	kit.Main("payment", func(_ context.Context, s *kit.Server) error {
		limit, err := strconv.Atoi(s.Get("PAYMENT_LIMIT"))
		if err != nil {
			return fmt.Errorf("PAYMENT_LIMIT must be a number of cents: %w", err)
		}
		p := &payment{data: store.Dial(s, "payment"), charge: bank(limit)}
		s.Go(p.data.Consume(p.pay))
		return nil
	})
}

type payment struct {
	data *store.Client
	// charge takes the money and says why not when it does not. Real banks take
	// a key with that, and give the same answer to the same key: the order's,
	// since a charge whose receipt could not be stored is tried again.
	charge func(ctx context.Context, key string, cents int) (declined string, err error)
}

// pay gives the receipt and the word to ordering, to be stored together with the
// acknowledgement. A demand that has a receipt was made twice: nothing is done.
func (p *payment) pay(ctx context.Context, message json.RawMessage) ([]store.Op, error) {
	var due demand
	if err := json.Unmarshal(message, &due); err != nil {
		return nil, err
	}
	var earlier receipt
	if version, err := p.data.Get(ctx, due.Order, &earlier); err != nil || version > 0 {
		return nil, err
	}
	declined, err := p.charge(ctx, due.Order, due.Total)
	if err != nil {
		return nil, err
	}
	kit.Log(ctx).Info("charged", "order", due.Order, "cents", due.Total, "declined", declined)
	return []store.Op{
		p.data.PutIf(0, due.Order, receipt{due, time.Now().UTC(), declined}),
		store.Push("ordering", map[string]string{"order": due.Order, "declined": declined}),
	}, nil
}

// bank lends everybody as much as limit for each order.
func bank(limit int) func(context.Context, string, int) (string, error) {
	return func(_ context.Context, _ string, cents int) (string, error) {
		if cents > limit {
			return fmt.Sprintf("the bank pays at most %s at once", kit.Money(limit)), nil
		}
		return "", nil
	}
}
