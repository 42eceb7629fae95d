package health

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

const (
	graceAnswer = 8 * time.Second  // then events are asked what the probe was answered
	graceRefuse = 25 * time.Second // of a port at which nothing listens, at least
	inARow      = 3                // answers of one kind, after which the next is not another one
)

// Listening is what a container's log tells of a port at which nothing listens.
type Listening struct {
	Elsewhere string // the address at which it says it does; "" when it names none
	Talks     bool   // it wrote something within the last seconds, so that it may be starting
}

// RefineProbe judges the probe of a field that has failed for so long, by the events of its pod,
// oldest first, and by listening, which is asked for only where nothing listens. An
// answer that does not change by itself ends the patience with it. The kubelet has
// words alone for what was answered; those that are not known are waited out.
func RefineProbe(d *Diagnosis, field string, spec *corev1.PodSpec, events []corev1.Event, lasted time.Duration, listening func(port int32) Listening) (certain bool) {
	name := strings.TrimPrefix(field, "probes.")
	c, p := probeOf(spec, d.Container, name)
	if p == nil {
		return true // of an earlier release
	}
	patience := readinessBudget(p)
	if name == "startup" {
		patience = startupBudget(p)
	}
	last, row := answers(events, d.Container, name)
	if row >= inARow {
		if hint := finalAnswer(p, last); hint != "" {
			d.Hint = hint
			return true
		}
	}
	if d.Hint != "" {
		return lasted >= patience // its log told why
	}
	d.Hint = slowHint
	if name == "startup" {
		d.Hint = "if it needs longer to start, raise failureThreshold: it may take periodSeconds × failureThreshold"
	}
	port := portOf(c, p)
	if port == 0 || row < inARow || !refused.MatchString(last) || lasted < refuseBudget(p) {
		return lasted >= patience
	}
	at := listening(port)
	if at.Elsewhere != "" {
		d.Field = "ports"
		d.Message += fmt.Sprintf("; nothing listens on port %d, and its log says that it listens on %s", port, at.Elsewhere)
		d.Hint = fmt.Sprintf("write the port it listens on under ports, or let it listen on port %d of all addresses (0.0.0.0 or [::])", port)
		return true
	}
	d.Message += fmt.Sprintf("; nothing listens on port %d", port)
	if name == "startup" {
		return lasted >= patience
	}
	d.Hint = fmt.Sprintf("write the port it listens on under ports, and let it listen on all addresses (0.0.0.0 or [::]); %s", slowHint)
	return !at.Talks || lasted >= patience
}

// slowHint is for who has only a readiness probe.
const slowHint = "if it needs longer to start, write `probes: startup` with the same check and a failureThreshold: it may take 10 s × failureThreshold"

// refused is how a connection to a port ends at which nothing listens.
var refused = regexp.MustCompile(`connect: connection refused|connect: connection reset`)

// refuseBudget is how long nothing may listen: as long as the probe takes to fail.
func refuseBudget(p *corev1.Probe) time.Duration {
	period, threshold := p.PeriodSeconds, p.FailureThreshold
	if period == 0 {
		period = 10
	}
	if threshold == 0 {
		threshold = 3
	}
	initial := time.Duration(p.InitialDelaySeconds) * time.Second
	return initial + max(graceRefuse, time.Duration(period*(threshold-1))*time.Second)
}

// answers returns the last answer to a probe, and how often it was given with no
// other one in between, by events that are oldest first.
func answers(events []corev1.Event, container, probe string) (last string, row int) {
	prefix := strings.ToUpper(probe[:1]) + probe[1:] + " probe "
	unhealthy := slices.DeleteFunc(slices.Clone(events), func(e corev1.Event) bool {
		return e.Reason != "Unhealthy" || !about(e, container) || !strings.HasPrefix(e.Message, prefix)
	})
	if len(unhealthy) == 0 {
		return "", 0
	}
	e := unhealthy[len(unhealthy)-1]
	_, text, _ := strings.Cut(strings.TrimPrefix(e.Message, prefix), ": ")
	row = int(max(e.Count, 1))
	if e.Series != nil {
		row = int(e.Series.Count)
	}
	for _, other := range unhealthy[:len(unhealthy)-1] {
		// Times of events are whole seconds.
		if EventTime(other).After(e.FirstTimestamp.Add(time.Second)) {
			row = 1
		}
	}
	return strings.TrimSpace(text), row
}

// probeOf finds a probe of the pod's container.
func probeOf(spec *corev1.PodSpec, container, name string) (corev1.Container, *corev1.Probe) {
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		if c.Name == container {
			return c, map[string]*corev1.Probe{"startup": c.StartupProbe, "readiness": c.ReadinessProbe, "liveness": c.LivenessProbe}[name]
		}
	}
	return corev1.Container{}, nil
}

// portOf is the number of the port that a probe asks; 0 when it asks none.
func portOf(c corev1.Container, p *corev1.Probe) int32 {
	switch {
	case p.GRPC != nil:
		return p.GRPC.Port
	case p.HTTPGet != nil && p.HTTPGet.Port.IntVal != 0:
		return p.HTTPGet.Port.IntVal
	case p.TCPSocket != nil && p.TCPSocket.Port.IntVal != 0:
		return p.TCPSocket.Port.IntVal
	}
	name := ""
	if p.HTTPGet != nil {
		name = p.HTTPGet.Port.StrVal
	} else if p.TCPSocket != nil {
		name = p.TCPSocket.Port.StrVal
	}
	for _, port := range c.Ports {
		if name != "" && port.Name == name {
			return port.ContainerPort
		}
	}
	return 0
}

// statusSaid is how the kubelet tells which status a path was answered with.
var statusSaid = regexp.MustCompile(`^HTTP probe failed with statuscode: (\d{3})$`)

// Servers' answers to who speaks another protocol.
var (
	plainSaid = regexp.MustCompile(`server gave HTTP response to HTTPS client|first record does not look like a TLS handshake`)
	otherSaid = regexp.MustCompile(`malformed HTTP (response|version|status code)`)
)

// finalAnswer is the way out of an answer that does not change by itself; "" of
// others.
func finalAnswer(p *corev1.Probe, said string) string {
	switch {
	case p.HTTPGet != nil:
		return finalHTTP(p.HTTPGet, said)
	case p.GRPC != nil && strings.Contains(said, "does not implement the grpc health protocol"):
		return "let the server register grpc.health.v1.Health, or ask with tcp"
	case p.Exec != nil && (strings.Contains(said, "executable file not found") || strings.Contains(said, "no such file or directory")):
		return "name a program that the image has under exec, or ask with http or tcp"
	}
	return ""
}

func finalHTTP(get *corev1.HTTPGetAction, said string) string {
	if plainSaid.MatchString(said) {
		return `the port speaks plain HTTP: leave scheme: "HTTPS" away`
	}
	if otherSaid.MatchString(said) {
		return "the port does not speak HTTP as probes do: ask with tcp, or with grpc, or another port"
	}
	m := statusSaid.FindStringSubmatch(said)
	if m == nil {
		return ""
	}
	switch m[1] {
	case "404", "410":
		return fmt.Sprintf("the service answers, and has no %s: write a path that it has under http", get.Path)
	case "401", "403", "407":
		return fmt.Sprintf("the kubelet logs in nowhere: let the service answer %s without credentials, or ask another path", get.Path)
	case "405", "501":
		return fmt.Sprintf("probes ask with GET: let the service answer it at %s, or ask another path", get.Path)
	case "400", "421", "426":
		hint := fmt.Sprintf("the service does not take a request for %s as a probe makes it", get.Path)
		if get.Scheme != corev1.URISchemeHTTPS {
			return hint + fmt.Sprintf(`; if the port speaks TLS, write http: {path: %q, scheme: "HTTPS"}`, get.Path)
		}
		return hint + `; if it wants a host name, write it under headers: Host`
	}
	return ""
}

// Ways in which programs say at which address they listen. The time of day before
// them is none.
var (
	listensSaid = regexp.MustCompile(`(?i)\b(listening|listens?|serving|started|running)\b`)
	portSaid    = regexp.MustCompile(`(?i)(?:(127\.0\.0\.1|localhost|\[::1\]|0\.0\.0\.0|\[::\]|\*|\s|^|/|=|"|\():|\bport(?:\(s\))?[ :=]+)([1-9]\d{1,4})\b`)
)

// ListensElsewhere finds in a log where its program listens, when that is not the
// port, or no address that is reached from outside of the pod.
func ListensElsewhere(lines []string, port int32) string {
	elsewhere := ""
	for _, line := range lines {
		line = timeOfDay.ReplaceAllString(line, "$1 $5")
		if !listensSaid.MatchString(line) {
			continue
		}
		for _, m := range portSaid.FindAllStringSubmatch(line, -1) {
			loopback := m[1] == "127.0.0.1" || m[1] == "localhost" || m[1] == "[::1]"
			switch {
			case m[2] == fmt.Sprint(port) && loopback:
				elsewhere = m[1] + ":" + m[2] + ", which nobody outside of the pod reaches"
			case m[2] == fmt.Sprint(port):
				return ""
			case elsewhere == "":
				elsewhere = "port " + m[2]
			}
		}
	}
	return elsewhere
}
