package schema

import (
	"testing"
	"time"
)

// However large a project is, what it may take has an end.
func TestLimitationsAreCapped(t *testing.T) {
	t.Parallel()
	for _, size := range []int64{0, 1 << 20, 40 << 20, 1 << 40, 1<<63 - 1} {
		l := Limitations{}.orDefault(size)
		if l.Time < baseTime || l.Time > 2*time.Minute || l.Memory == 0 || l.Memory > 2<<30 {
			t.Errorf("%d bytes: %+v", size, l)
		}
	}
}
