package components

import (
	"context"
	"fmt"
	"os"

	"github.com/distribution/distribution/v3/configuration"
	distribution "github.com/distribution/distribution/v3/registry"

	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // the only storage the sandbox uses
)

// registry takes one argument, the path of its configuration file.
func registry(args []string) int {
	if err := serveRegistry(args); err != nil {
		fmt.Fprintln(os.Stderr, "registry:", err)
		return 1
	}
	return 0
}

func serveRegistry(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one argument, the configuration file; got %d", len(args))
	}
	file, err := os.Open(args[0])
	if err != nil {
		return err
	}
	defer file.Close()
	config, err := configuration.Parse(file)
	if err != nil {
		return fmt.Errorf("reading %s: %w", args[0], err)
	}
	server, err := distribution.NewRegistry(context.Background(), config)
	if err != nil {
		return err
	}
	return server.ListenAndServe()
}
