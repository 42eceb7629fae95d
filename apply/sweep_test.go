package apply

import (
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A Lease is judged by the API server's times: what its holder wrote about the time
// counts for nothing, and where the server's are lost, nothing is known.
func TestLongStill(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	ago := func(d time.Duration) *metav1.Time { return &metav1.Time{Time: now.Add(-d)} }
	fields := func(times ...*metav1.Time) (out []metav1.ManagedFieldsEntry) {
		for _, at := range times {
			out = append(out, metav1.ManagedFieldsEntry{Time: at})
		}
		return out
	}
	tests := []struct {
		name    string
		created time.Duration
		renewed time.Duration // as the holder says
		fields  []metav1.ManagedFieldsEntry
		want    bool
	}{
		{"renewed just now", time.Hour, 0, fields(ago(5 * time.Second)), false},
		{"renewed just now, by a clock that is wrong", time.Hour, 48 * time.Hour, fields(ago(5 * time.Second)), false},
		{"just created", 0, 48 * time.Hour, fields(ago(0)), false},
		{"expired, but not for long", time.Hour, time.Minute, fields(ago(50 * time.Second)), false},
		{"still for long", time.Hour, time.Hour, fields(ago(time.Hour), ago(2*time.Minute)), true},
		{"still for long, by a clock that is ahead", time.Hour, -time.Hour, fields(ago(2 * time.Minute)), true},
		{"nothing is known", time.Hour, time.Hour, nil, false},
		{"nothing is known of the time", time.Hour, time.Hour, fields(nil), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			lease := &coordinationv1.Lease{
				ObjectMeta: metav1.ObjectMeta{CreationTimestamp: *ago(tt.created), ManagedFields: tt.fields},
				Spec: coordinationv1.LeaseSpec{
					LeaseDurationSeconds: ptrTo(int32(15)),
					RenewTime:            &metav1.MicroTime{Time: now.Add(-tt.renewed)},
				},
			}
			if got := longStill(lease, now); got != tt.want {
				t.Errorf("%v, want %v", got, tt.want)
			}
		})
	}
}
