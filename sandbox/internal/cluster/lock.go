package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"github.com/shipit-dev/shipit/sandbox/internal/layout"
)

// flock takes the lock of a file. The kernel's wait cannot be cancelled, so this asks again and again.
func flock(ctx context.Context, file *os.File) error {
	for {
		err := unix.Flock(int(file.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil || !errors.Is(err, unix.EWOULDBLOCK) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// lock waits for other commands on the same sandbox. The file may be removed by Down while another command waits for it, so
// it is looked up again once it is held.
func lock(ctx context.Context, l layout.Layout) (*os.File, error) {
	if err := os.MkdirAll(l.Base, 0o755); err != nil {
		return nil, err
	}
	for {
		file, err := os.OpenFile(l.Lock(), os.O_CREATE|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		if err := flock(ctx, file); err != nil {
			file.Close()
			return nil, fmt.Errorf("waiting for another command on sandbox %s: %w", l.Name, err)
		}
		held, err := file.Stat()
		if err != nil {
			file.Close()
			return nil, err
		}
		if there, err := os.Stat(l.Lock()); err == nil && os.SameFile(held, there) {
			return file, nil
		}
		file.Close()
	}
}
