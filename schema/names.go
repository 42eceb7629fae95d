package schema

import (
	"maps"
	"slices"

	guess "github.com/shipit-dev/shipit/internal/nearest"
)

// nearestName gives the name among candidates that was probably meant, or "".
func nearestName(name string, candidates []string) string { return guess.Name(name, candidates) }

func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
