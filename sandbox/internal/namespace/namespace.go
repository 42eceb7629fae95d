// Package namespace keeps a sandbox apart from its host: a network namespace without a default route and a mount namespace
// with folders of its own in place of /run, /tmp, /var/lib and /var/log. Neither is pinned anywhere on the host: they live
// as long as a process in them, and take interfaces, rules, routes and mounts with them.
//
// A goroutine that enters a namespace is bound to a thread that ends with it, so nothing else in the process is affected.
package namespace

import (
	"context"
	"fmt"
	"net"
	"os"
	"runtime"
	"sync"

	"golang.org/x/sys/unix"
)

// Set is an open pair of namespaces. A nil Set means the namespaces of the host.
type Set struct {
	net, mnt *os.File
}

// Of opens the namespaces that a process runs in.
func Of(pid int) (*Set, error) {
	network, err := os.Open(fmt.Sprintf("/proc/%d/ns/net", pid))
	if err != nil {
		return nil, err
	}
	mount, err := os.Open(fmt.Sprintf("/proc/%d/ns/mnt", pid))
	if err != nil {
		network.Close()
		return nil, err
	}
	return &Set{net: network, mnt: mount}, nil
}

// OfNetwork returns a Set to dial with, from an open network namespace. It cannot be entered with Do.
func OfNetwork(network *os.File) *Set { return &Set{net: network} }

// Network is the open network namespace, to be handed to a process that dials into it from outside.
func (s *Set) Network() *os.File { return s.net }

// Separate says whether a process has a network namespace other than the caller's.
func Separate(pid int) bool {
	own, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		return false
	}
	other, err := os.Readlink(fmt.Sprintf("/proc/%d/ns/net", pid))
	return err == nil && own != other
}

// Close releases the namespaces; they end when no process is left in them.
func (s *Set) Close() error {
	if s == nil {
		return nil
	}
	s.mnt.Close()
	return s.net.Close()
}

// Do runs fn inside the namespaces. Processes that fn starts are in them too.
func (s *Set) Do(fn func() error) error {
	if s == nil {
		return fn()
	}
	return onOwnThread(func() error {
		// setns(2) refuses to change the mount namespace of a thread that shares its file system attributes.
		if err := unix.Unshare(unix.CLONE_FS); err != nil {
			return fmt.Errorf("unsharing file system attributes: %w", err)
		}
		if err := unix.Setns(int(s.mnt.Fd()), unix.CLONE_NEWNS); err != nil {
			return fmt.Errorf("entering the sandbox's mount namespace: %w", err)
		}
		if err := unix.Setns(int(s.net.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering the sandbox's network namespace: %w", err)
		}
		return fn()
	})
}

// Create makes new namespaces and runs fn in them, which is expected to leave a process behind.
func Create(fn func() error) error {
	return onOwnThread(func() error {
		if err := unix.Unshare(unix.CLONE_FS | unix.CLONE_NEWNS | unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("making namespaces: %w", err)
		}
		return fn()
	})
}

// onOwnThread never unlocks the thread, so the runtime ends it with the goroutine instead of using it again.
func onOwnThread(fn func() error) error {
	var err error
	var wg sync.WaitGroup
	wg.Go(func() {
		runtime.LockOSThread()
		err = fn()
	})
	wg.Wait()
	return err
}

// DialContext connects from inside the network namespace. The address must be an IP and a port, because name resolution
// could happen on another thread, outside.
func (s *Set) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	var dialer net.Dialer
	if s == nil {
		return dialer.DialContext(ctx, network, address)
	}
	var conn net.Conn
	err := onOwnThread(func() error {
		if err := unix.Setns(int(s.net.Fd()), unix.CLONE_NEWNET); err != nil {
			return fmt.Errorf("entering the sandbox's network namespace: %w", err)
		}
		var err error
		conn, err = dialer.DialContext(ctx, network, address)
		return err
	})
	return conn, err
}
