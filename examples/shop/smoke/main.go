// Smoke buys something, as a customer would, and ends well only when the order
// is paid and the customer was told. It needs the whole shop for that.
package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"example.com/shop/internal/kit"
)

func main() {
	kit.Job(func(env *kit.Env) func(context.Context) error {
		gateway := env.Client("gateway")
		return func(ctx context.Context) error {
			ctx, cancel := context.WithTimeout(kit.WithRequest(ctx, "smoke-"+kit.NewID()), 30*time.Second)
			defer cancel()
			return smoke(ctx, gateway)
		}
	})
}

// smoke returns at the first step that goes wrong, and says which it was.
func smoke(ctx context.Context, gateway *kit.Client) error {
	who := map[string]string{"name": "smoke" + kit.NewID(), "password": kit.NewID()}
	var signed struct{ Token string }
	var items []struct{ ID string }
	var order struct{ ID, State string }
	api := gateway
	do := func(what, method, path string, body, into any) error {
		if err := api.Do(ctx, method, path, body, into); err != nil {
			return fmt.Errorf("%s: %w", what, err)
		}
		return nil
	}
	if err := do("registering", http.MethodPost, "/api/customers", who, nil); err != nil {
		return err
	}
	if err := do("signing in", http.MethodPost, "/api/tokens", who, &signed); err != nil {
		return err
	}
	api = gateway.As(signed.Token)
	if err := do("looking around", http.MethodGet, "/api/catalog", nil, &items); err != nil {
		return err
	}
	if len(items) == 0 {
		return fmt.Errorf("the catalog is empty: has seed run?")
	}
	if err := do("choosing", http.MethodPut, "/api/basket/"+items[0].ID, map[string]int{"quantity": 1}, nil); err != nil {
		return err
	}
	if err := do("ordering", http.MethodPost, "/api/orders", nil, &order); err != nil {
		return err
	}
	for order.State != "paid" {
		if order.State == "declined" || !kit.Pause(ctx, 100*time.Millisecond) {
			return fmt.Errorf("the order is %s", order.State)
		}
		if err := do("asking for the order", http.MethodGet, "/api/orders/"+order.ID, nil, &order); err != nil {
			return err
		}
	}
	for {
		var notes []struct{ Order string }
		if err := do("asking for notifications", http.MethodGet, "/api/notifications", nil, &notes); err != nil {
			return err
		}
		if len(notes) > 0 && notes[0].Order == order.ID {
			kit.Log(ctx).Info("bought, paid and told", "order", order.ID)
			return nil
		}
		if !kit.Pause(ctx, 100*time.Millisecond) {
			return fmt.Errorf("nobody tells the customer that the order is paid")
		}
	}
}
