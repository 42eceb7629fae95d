// Reports says what was sold, as orders has it.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"

	"example.com/platform/serve"
)

func main() {
	serve.Main(func(w http.ResponseWriter, r *http.Request) {
		req, err := http.NewRequestWithContext(r.Context(), "GET", os.Getenv("ORDERS_URL"), nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		fmt.Fprint(w, "sold today: ")
		_, _ = io.Copy(w, resp.Body)
	})
}
