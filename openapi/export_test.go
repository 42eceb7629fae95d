package openapi

import (
	"sync"

	"github.com/shipit-dev/shipit/openapi/internal/table"
)

// Forget makes the next use of the schemas a cold one.
func Forget() {
	open = sync.OnceValues(func() (*table.Reader, error) { return table.Open(schemas) })
	models.Clear()
}
