// Store keeps the data of the shop on its volume, and hands the services' work
// from one to the next.
package main

import (
	"context"

	"example.com/shop/internal/kit"
	"example.com/shop/internal/store"
)

func main() {
	kit.Main("store", func(ctx context.Context, s *kit.Server) error {
		tokens, err := store.ReadTokens(s.Get("STORE_TOKENS"))
		if err != nil {
			return err
		}
		data, err := store.Open(s.Get("STORE_DIR"))
		if err != nil {
			return err
		}
		data.Routes(ctx, s, tokens)
		s.Go(func(ctx context.Context) error {
			select {
			case err := <-data.Failed(): // starting anew tells what is on the disk
				return err
			case <-ctx.Done():
				return nil
			}
		})
		return nil
	})
}
