// Package openapi says, offline, what the API server of a Kubernetes version would
// refuse of an object by its schema: unknown fields, wrong types, missing fields,
// values outside an enum, elements with the same key, kinds that the version does
// not serve; and it warns of APIs that are to go. Custom resources are checked
// against the CustomResourceDefinitions that are given, their CEL rules too, with
// the API server's own code.
//
// Objects go in, findings come out. Nothing is changed, and there is no network,
// no file and no environment.
//
// What the API server's handwritten validation alone knows (that a Deployment's
// selector must match its template's labels, that a name must be a DNS label) is
// not found here; a server-side dry run finds it.
//
// The schemas of all versions are embedded as schemas.bin, which is made from the
// source modules of Kubernetes in the Go module cache:
//
//	go run ./openapi/internal/gen
package openapi
