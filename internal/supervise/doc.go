//go:build !unix

// Package supervise does nothing here.
package supervise
