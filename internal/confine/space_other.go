//go:build !linux

package confine

// limitSpace does nothing: only Linux limits what a process may take of addresses.
func limitSpace(uint64) (restore func()) { return func() {} }
