package apply

import (
	"slices"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// A store takes from a watch and from lists in whatever order they come, and never goes
// back.
func TestWatchedNeverGoesBack(t *testing.T) {
	t.Parallel()
	pod := func(name, version string) *corev1.Pod {
		return &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Namespace: "n", Name: name, ResourceVersion: version}}
	}
	tests := []struct {
		name string
		do   func(s *watched) error
		want []string
	}{
		{"a list and what changed since", func(s *watched) error {
			_ = s.Replace([]any{pod("a", "5")}, "9")
			return s.Update(pod("a", "10"))
		}, []string{"a@10"}},
		{"an event that a list knew", func(s *watched) error {
			_ = s.Replace([]any{pod("a", "5")}, "9")
			return s.Update(pod("a", "4"))
		}, []string{"a@5"}},
		{"a deletion that a list knew, of what was made anew", func(s *watched) error {
			_ = s.Replace([]any{pod("a", "8")}, "9")
			return s.Delete(pod("a", "7"))
		}, []string{"a@8"}},
		{"a deletion after the list", func(s *watched) error {
			_ = s.Replace([]any{pod("a", "8")}, "9")
			return s.Delete(pod("a", "11"))
		}, nil},
		{"a list that is behind", func(s *watched) error {
			_ = s.Replace([]any{pod("a", "8")}, "9")
			_ = s.Update(pod("a", "12"))
			s.UpdateResourceVersion("12")
			return s.Replace([]any{pod("a", "8")}, "10")
		}, []string{"a@12"}},
		{"a bookmark, and a list before it", func(s *watched) error {
			_ = s.Replace([]any{pod("a", "8")}, "9")
			s.UpdateResourceVersion("100")
			return s.Replace(nil, "99")
		}, []string{"a@8"}},
		{"what is gone from a list", func(s *watched) error {
			_ = s.Replace([]any{pod("a", "8"), pod("b", "8")}, "9")
			return s.Replace([]any{pod("b", "8")}, "10")
		}, []string{"b@8"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newWatched(func() {}, nil)
			must(t, tt.do(s))
			var got []string
			for _, o := range s.List() {
				p := o.(*corev1.Pod)
				got = append(got, p.Name+"@"+p.ResourceVersion)
			}
			if slices.Sort(got); !slices.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// A deadline is later by as long as the server was away, within bounds.
func TestLimitOfAWait(t *testing.T) {
	t.Parallel()
	start := time.Now().Add(-10 * time.Minute)
	at := start.Add
	tests := []struct {
		name     string
		deadline time.Duration
		absence  absence
		want     time.Duration
	}{
		{"never away", 2 * time.Minute, absence{}, 2 * time.Minute},
		{"away once", 2 * time.Minute, absence{gap: 30 * time.Second, back: at(50 * time.Second)}, 150 * time.Second},
		{"back just before the end", 40 * time.Second, absence{gap: time.Second, back: at(40 * time.Second)}, time.Minute},
		{"away for good", 2 * time.Minute, absence{away: at(time.Minute)}, 3 * time.Minute},
		{"away for good, and a short deadline", 20 * time.Second, absence{away: at(time.Second)}, 40 * time.Second},
		{"away again and again", 20 * time.Second, absence{gap: 5 * time.Minute, back: at(5 * time.Minute)}, time.Minute},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := &waiter{start: start, absence: tt.absence}
			if got := w.limit(tt.deadline).Sub(start); got.Round(time.Second) != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
