package components

import (
	"bytes"
	"context"
	"crypto/subtle"
	"fmt"
	"net/http"
	"os"

	"github.com/distribution/distribution/v3/configuration"
	distribution "github.com/distribution/distribution/v3/registry"

	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // the only storage the sandbox uses
)

// registry takes two arguments, the paths of its configuration file and of the one with the password of who may push.
func registry(args []string) int {
	if err := serveRegistry(args); err != nil {
		fmt.Fprintln(os.Stderr, "registry:", err)
		return 1
	}
	return 0
}

func serveRegistry(args []string) error {
	if len(args) != 2 {
		return fmt.Errorf("want two arguments, the files of the configuration and of the password; got %d", len(args))
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
	password, err := os.ReadFile(args[1])
	if err != nil {
		return err
	}
	if password = bytes.TrimSpace(password); len(password) == 0 {
		return fmt.Errorf("%s is empty", args[1])
	}
	distribution.RegisterHandler(func(_ *configuration.Configuration, next http.Handler) http.Handler {
		return guard(next, password)
	})
	server, err := distribution.NewRegistry(context.Background(), config)
	if err != nil {
		return err
	}
	return server.ListenAndServe()
}

// guard lets who knows the password change what is in the registry. Everybody may read, as the node does; a client asks
// at /v2/ whether it needs credentials.
func guard(next http.Handler, password []byte) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reads := (r.Method == http.MethodGet || r.Method == http.MethodHead) && r.URL.Path != "/v2/"
		_, given, _ := r.BasicAuth()
		if reads || subtle.ConstantTimeCompare([]byte(given), password) == 1 {
			next.ServeHTTP(w, r)
			return
		}
		w.Header().Set("WWW-Authenticate", `Basic realm="shipit sandbox"`)
		w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusUnauthorized)
		fmt.Fprintln(w, `{"errors":[{"code":"UNAUTHORIZED","message":"shipit sandbox login prints a config.json with the password"}]}`)
	})
}
