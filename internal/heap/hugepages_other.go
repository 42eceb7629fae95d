//go:build !linux

package heap

// useHugePages does nothing: only Linux takes advice on the size of pages.
func useHugePages(int) {}
