// Package v1 is the schema that projects import as shipit.dev/v1.
package v1

import "embed"

//go:embed *.cue
var files embed.FS

// Files gives the schema's files by name. They are the caller's.
func Files() map[string][]byte {
	entries, err := files.ReadDir(".")
	if err != nil {
		panic(err) // embedded above
	}
	all := map[string][]byte{}
	for _, e := range entries {
		if all[e.Name()], err = files.ReadFile(e.Name()); err != nil {
			panic(err)
		}
	}
	return all
}
