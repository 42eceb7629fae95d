// Seed makes a file the catalog of the shop, and ends. A Job runs it; one with
// another file is another Job, so that it runs again when the file changes.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"example.com/shop/internal/kit"
)

func main() {
	kit.Job(func(env *kit.Env) func(context.Context) error {
		path, catalog := env.Get("SEED_FILE"), env.Client("catalog")
		return func(ctx context.Context) error { return seed(ctx, path, catalog) }
	})
}

func seed(ctx context.Context, path string, catalog *kit.Client) error {
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var items []json.RawMessage
	if err := json.Unmarshal(content, &items); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := catalog.Within(10*time.Second).Do(ctx, http.MethodPut, "/items", items, nil); err != nil {
		return err
	}
	kit.Log(ctx).Info("the catalog is filled", "items", len(items))
	return nil
}
