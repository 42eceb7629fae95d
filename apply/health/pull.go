package health

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// What registries and runtimes say, in small letters, of what no other try of the
// kubelet's changes, and of who may pull.
var (
	pullDenied = []string{"unauthorized", "authorization failed", "denied", "forbidden"}
	pullWrong  = []string{"not found", "manifest unknown", "no match for platform", "does not exist", "invalid reference", "name unknown"}
	// pullPasses is of what may use the same words: a name that is not resolved now,
	// a registry that is busy, and the runtime's own store, whose contents are not
	// there when it cleans up at the wrong moment.
	pullPasses = []string{
		"no such host", "timeout", "timed out", "deadline exceeded", "connection re", "eof", "misbehaving", "temporary failure",
		"too many requests", "toomanyrequests", " 500 ", " 502 ", " 503 ", " 504 ", "unavailable",
		"snapshot", "content digest", "permission denied",
	}
)

// named is where an image or a registry is named in a message: their names may
// contain any word.
var named = regexp.MustCompile(`https?://[^\s"]+`)

// imagePull judges an image that was not pulled. The kubelet tries again after ten
// seconds, and then after twice as long each time.
func imagePull(c corev1.Container, w *corev1.ContainerStateWaiting) Problem {
	reason := pullReason(w.Message, c.Image)
	pr := Problem{Key: "pull", Grace: gracePull, Unsure: true}
	pr.Diagnosis = Diagnosis{Code: CodeImagePull, Field: "image", Message: fmt.Sprintf("cannot pull %s: %s", c.Image, reason)}
	text := strings.ToLower(named.ReplaceAllString(strings.ReplaceAll(w.Message, c.Image, ""), "")) + " "
	says := func(words []string) bool {
		return slices.ContainsFunc(words, func(word string) bool { return strings.Contains(text, word) })
	}
	switch {
	case w.Reason == "InvalidImageName", w.Reason == "ErrImageNeverPull":
		pr.Grace, pr.Unsure = 0, false
	case strings.Contains(text, "pull qps exceeded"):
		pr.Grace = never // it is the kubelet's own pace
	case w.Reason != "ErrImagePull" && w.Reason != "ImagePullBackOff", says(pullPasses):
	case says(pullDenied):
		pr.Grace = 0 // unless the kubelet had no credentials: its events tell
		pr.Hint = "name a Secret with the registry's credentials under pull, or check the one there is"
	case says(pullWrong):
		pr.Grace, pr.Unsure = 0, false
	}
	return pr
}

// pullReason takes the last cause out of the runtime's chain, which names the
// image again and again: `… failed to resolve reference "x": x: not found`.
func pullReason(message, image string) string {
	if i := strings.LastIndex(message, `": `); i >= 0 {
		message = message[i+3:]
	}
	message = strings.TrimPrefix(message, image+": ")
	if strings.HasSuffix(message, "401 Unauthorized") {
		return "unauthorized: the registry wants credentials, or others"
	}
	if message == "" {
		return "no reason given"
	}
	return message
}

// refinePull reports whether an image is not going to be pulled: not while another
// attempt is under way, nor when the kubelet could not read the pull Secrets in
// time and asked without them.
func refinePull(container string, events []corev1.Event, lasted time.Duration) bool {
	var tried, failed time.Time
	without := false
	for _, e := range events {
		switch {
		case e.Reason == "FailedToRetrieveImagePullSecret":
			without = true
		case !about(e, container):
		case e.Reason == "Pulling":
			tried = EventTime(e)
		case e.Reason == "Failed" && strings.HasPrefix(e.Message, "Failed to pull image"):
			failed = EventTime(e)
		}
	}
	return !tried.After(failed) && (!without || lasted >= gracePull)
}
