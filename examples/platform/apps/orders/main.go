// Orders knows what was sold.
package main

import (
	"fmt"
	"net/http"

	"example.com/platform/serve"
)

func main() {
	serve.Main(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "3 mugs, 1 lamp") })
}
