package schema

import (
	"fmt"
	"strings"

	"github.com/shipit-dev/shipit/schema/rule"
)

// ownPrefix begins the labels and annotations by which shipit knows its objects.
const ownPrefix = "shipit.dev/"

// labels decodes those of the App or of a service.
func (d *decoder) labels(n *node) map[string]string {
	var m map[string]string
	for _, f := range sorted(n) {
		switch {
		case f.name == "app.kubernetes.io/name", f.name == "app.kubernetes.io/part-of", f.name == "app.kubernetes.io/managed-by", strings.HasPrefix(f.name, ownPrefix):
			d.wrong(f, rule.ReservedLabel, fmt.Sprintf("%s is shipit's own: objects are found by it", f.path), "", "use another label")
		case f.name == "pod-template-hash", f.name == "controller-revision-hash":
			d.wrong(f, rule.ReservedLabel, fmt.Sprintf("%s is Kubernetes' own: it tells the pods of one revision from those of another", f.path), "", "use another label")
		}
		set(&m, f.name, f.str())
	}
	return m
}

// maxAnnotations is how many bytes all annotations of an object may have
// (https://kubernetes.io/docs/concepts/overview/working-with-objects/annotations).
const maxAnnotations = 256 << 10

// annotations decodes those of the App or of a service.
func (d *decoder) annotations(n *node) map[string]string {
	var m map[string]string
	size := 0
	for _, f := range sorted(n) {
		if strings.HasPrefix(f.name, ownPrefix) {
			d.wrong(f, rule.ReservedLabel, fmt.Sprintf("%s is shipit's own", f.path), "", "use another annotation")
		}
		size += len(f.name) + len(f.text)
		set(&m, f.name, f.str())
	}
	if size > maxAnnotations {
		d.wrong(n, rule.WrongValue, fmt.Sprintf("%s have %d bytes, more than 256 KiB", n.path, size), "Kubernetes keeps no more for an object", "put what is large into a config")
	}
	return m
}

// scraped checks that a service says only once where its metrics are.
func (d *decoder) scraped(a *App, m member) {
	if m.s.Monitor == nil || a.Monitoring != Annotations {
		return
	}
	for _, name := range []string{"prometheus.io/path", "prometheus.io/port", "prometheus.io/scrape"} {
		if f := m.n.get("annotations").get(name); f != nil {
			d.against(f, m.n.get("monitor"), rule.ReservedLabel, fmt.Sprintf("%s is what monitor writes", f.path), "a pod says once where its metrics are", "remove it, or remove monitor")
		}
	}
}
