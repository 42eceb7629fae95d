package health

import (
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// eventLines is how many warnings a Diagnosis has at most.
const eventLines = 8

// EventTime is when an event happened last.
func EventTime(e corev1.Event) time.Time {
	switch {
	case e.Series != nil:
		return e.Series.LastObservedTime.Time
	case !e.LastTimestamp.IsZero():
		return e.LastTimestamp.Time
	case !e.EventTime.IsZero():
		return e.EventTime.Time
	}
	return e.CreationTimestamp.Time
}

// repeats reports whether an event tells no more than what was said: the answer to a
// probe, or that a container which failed is started again.
func repeats(e corev1.Event, message, said string) bool {
	if e.Reason == "BackOff" && strings.HasPrefix(message, "Back-off restarting failed container") || message == said {
		return true
	}
	_, answer, ok := strings.Cut(message, ": ")
	return e.Reason == "Unhealthy" && ok && strings.Contains(said, strings.TrimSpace(answer))
}

// Warnings gives the last warnings, eight at most, as "Reason: message (×3)", without
// what was said already. Each pod that is refused has an event of its own, which names
// it and says the same.
func Warnings(events []corev1.Event, said string) []string {
	var out []string
	times := map[string]int32{}
	for _, e := range events {
		message := strings.TrimSpace(e.Message)
		if e.Reason == "FailedCreate" {
			message = Denial(message)
		}
		if e.Type != corev1.EventTypeWarning || repeats(e, message, said) {
			continue
		}
		line := e.Reason + ": " + message
		if times[line] == 0 {
			out = append(out, line)
		}
		n := e.Count
		if e.Series != nil {
			n = e.Series.Count
		}
		times[line] += max(n, 1)
	}
	for i, line := range out {
		if n := times[line]; n > 1 {
			out[i] += fmt.Sprintf(" (×%d)", n)
		}
	}
	return out[max(0, len(out)-eventLines):]
}
