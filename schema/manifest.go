package schema

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/shipit-dev/shipit/schema/rule"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/yaml"
)

// objectWords are what becomes of objects that a service brings with it.
var objectWords = map[string]string{
	"Service":                 "leave it out: it is made of the service's ports",
	"Ingress":                 `write it in a service: expose: public: host: "…"`,
	"HTTPRoute":               `write it in a service: expose: public: {host: "…", gateway: {…}}`,
	"ConfigMap":               `write it in the service that reads it: config: NAME: KEY: "…"`,
	"Secret":                  `write where its values come from, in the service that reads it: secrets: NAME: KEY: env: "VARIABLE"`,
	"HorizontalPodAutoscaler": "write it in the service: autoscale: {min: …, max: …, cpu: …}",
	"PodDisruptionBudget":     "write it in the service: disruption: maxUnavailable: …",
	"PersistentVolumeClaim":   `write it in the service: volumes: NAME: {size: "…", mount: "…"}`,
	"NetworkPolicy":           "leave it out: calls says who talks to whom",
	"ServiceAccount":          "leave it out: each service has one of its own",
	"Role":                    "write it in the service: permissions: NAME: {resources: […], verbs: […]}",
	"RoleBinding":             "leave it out: permissions of a service are its own",
	"Namespace":               `write namespace: "…" in the App: it is made where it is not there`,
}

// fieldWords are what fields of workloads are called here that ofObject leaves to be
// written by hand.
var fieldWords = map[string]string{
	"initContainers": "init", "nodeSelector": "placement: nodes", "affinity": "placement: near and apart", "tolerations": "placement: tolerations",
	"topologySpreadConstraints": "placement: spread", "priorityClassName": "placement: priority", "securityContext": "security", "volumes": "volumes",
	"volumeMounts": "volumes", "volumeClaimTemplates": "volumes", "strategy": "rollout", "updateStrategy": "rollout", "podManagementPolicy": "rollout",
	"minReadySeconds": "rollout", "progressDeadlineSeconds": "rollout", "revisionHistoryLimit": "rollout", "backoffLimit": "rollout", "completions": "rollout",
	"parallelism": "rollout", "envFrom": "envFrom", "valueFrom": "config and secrets", "lifecycle": "lifecycle", "terminationGracePeriodSeconds": "lifecycle",
	"imagePullSecrets": "pull", "serviceAccountName": "permissions", "hostNetwork": "security", "timeZone": "timeZone", "concurrencyPolicy": "concurrencyPolicy",
}

// ofObject says how a Kubernetes object is written here. Values of variables are not
// repeated: among them may be secrets.
func ofObject(o map[string]any) (hint, left string) {
	kind, name := text(o, "kind"), cmp.Or(text(o, "metadata", "name"), "NAME")
	template, ok := podOf(o)
	if !ok {
		return cmp.Or(objectWords[kind], fmt.Sprintf(`write objects: %s: {…}, or objects: %[1]s: file: "FILE.yaml"`, label(nameFrom(name)))), ""
	}
	w := &rewriter{name: nameFrom(name)}
	spec, _ := o["spec"].(map[string]any)
	fields := w.service(kind, spec, template)
	if len(w.left) > 0 {
		for i, name := range w.left {
			if word := fieldWords[name]; word != "" && word != name {
				w.left[i] += " (" + word + ")"
			}
		}
		left = "left to you, with their words here in parentheses: " + strings.Join(w.left, ", ")
	}
	return fmt.Sprintf("write services: %s: {%s}", label(w.name), strings.Join(fields, ", ")), left
}

// podOf gives the spec of the pods that a workload makes.
func podOf(o map[string]any) (map[string]any, bool) {
	for _, path := range [][]string{{"spec", "jobTemplate", "spec", "template", "spec"}, {"spec", "template", "spec"}, {"spec"}} {
		if pod, _ := at(o, path...).(map[string]any); pod["containers"] != nil {
			return pod, true
		}
	}
	return nil, false
}

// at gives a value inside of others, or nil.
func at(o any, path ...string) any {
	for _, name := range path {
		fields, _ := o.(map[string]any)
		o = fields[name]
	}
	return o
}

func text(o any, path ...string) string {
	s, _ := at(o, path...).(string)
	return s
}

// rewriter writes a workload in the language's words.
type rewriter struct {
	name  string
	ports map[string]string // of a container: names, by number and by name
	left  []string          // what it has no words for
}

// take gives the values of some fields, in their order, and notes the others.
func (w *rewriter) take(o map[string]any, known []string, each func(name string, value any) string) []string {
	var fields []string
	for _, name := range known {
		if v, ok := o[name]; ok {
			if field := each(name, v); field != "" {
				fields = append(fields, field)
			}
		}
	}
	for _, name := range sortedKeys(o) {
		if !slices.Contains(known, name) && !slices.Contains(w.left, name) {
			w.left = append(w.left, name)
		}
	}
	return fields
}

func (w *rewriter) service(kind string, spec, pod map[string]any) []string {
	containers, _ := pod["containers"].([]any)
	own := max(0, slices.IndexFunc(containers, func(c any) bool { return text(c, "name") == w.name }))
	var fields, sidecars []string
	for i, c := range containers {
		c, _ := c.(map[string]any)
		if i == own {
			fields = w.container(c)
			continue
		}
		sidecars = append(sidecars, fmt.Sprintf("%s: {%s}", label(nameFrom(text(c, "name"))), strings.Join(w.container(c), ", ")))
	}
	if len(sidecars) > 0 {
		fields = append(fields, fmt.Sprintf("sidecars: {%s}", strings.Join(sidecars, ", ")))
	}
	if slices.Contains([]string{StatefulSet, DaemonSet, Job, CronJob}, kind) {
		fields = append(fields, "workload: "+strconv.Quote(kind))
	}
	fields = append(fields, w.take(spec, []string{"replicas", "schedule", "selector", "template", "jobTemplate", "containers", "serviceName"}, func(name string, v any) string {
		if name == "replicas" || name == "schedule" {
			return scalarField(name, v)
		}
		return "" // made of the name, or written already
	})...)
	w.take(pod, []string{"containers", "restartPolicy"}, func(string, any) string { return "" })
	return fields
}

// container writes one: its image first.
func (w *rewriter) container(c map[string]any) []string {
	w.ports = map[string]string{}
	var fields []string
	known := []string{"image", "command", "args", "workingDir", "ports", "env", "startupProbe", "readinessProbe", "livenessProbe", "resources", "name", "imagePullPolicy"}
	probes := map[string]string{}
	fields = w.take(c, known, func(name string, v any) string {
		switch name {
		case "image":
			return scalarField(name, v)
		case "workingDir":
			return scalarField("workdir", v)
		case "command", "args":
			return name + ": " + list(v)
		case "ports":
			return w.portsOf(v)
		case "env":
			return w.envOf(v)
		case "startupProbe", "readinessProbe", "livenessProbe":
			if p := w.probe(v); p != "" {
				probes[strings.TrimSuffix(name, "Probe")] = p
			}
		case "resources":
			return resourcesOf(v)
		}
		return ""
	})
	if len(probes) > 0 {
		fields = append(fields, "probes: "+braced(probes))
	}
	return fields
}

// braced writes fields, the only one without braces.
func braced(fields map[string]string) string {
	var parts []string
	for _, name := range sortedKeys(fields) {
		parts = append(parts, label(name)+": "+fields[name])
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

func (w *rewriter) portsOf(v any) string {
	ports := map[string]string{}
	all, _ := v.([]any)
	for i, p := range all {
		number := literalText(at(p, "containerPort"))
		name := listedPort(text(p, "name"), i)
		w.ports[number], w.ports[name] = name, name
		ports[name] = number
		if protocol := text(p, "protocol"); protocol != "" && protocol != "TCP" {
			ports[name] = fmt.Sprintf("{port: %s, protocol: %q}", number, protocol)
		}
	}
	if len(ports) == 0 {
		return ""
	}
	return "ports: " + braced(ports)
}

func (w *rewriter) envOf(v any) string {
	vars := map[string]string{}
	all, _ := v.([]any)
	for _, e := range all {
		vars[cmp.Or(text(e, "name"), "NAME")] = `"…"`
		if field := text(e, "valueFrom", "fieldRef", "fieldPath"); field != "" {
			vars[text(e, "name")] = fmt.Sprintf("field: %q", field)
		} else if at(e, "valueFrom") != nil && !slices.Contains(w.left, "valueFrom") {
			w.left = append(w.left, "valueFrom")
		}
	}
	if len(vars) == 0 {
		return ""
	}
	return "env: " + braced(vars)
}

// probe writes one, with the name of its port where the container has several.
func (w *rewriter) probe(v any) string {
	o, _ := v.(map[string]any)
	port := func(kind string) string {
		p := literalText(at(o, kind, "port"))
		return strconv.Quote(cmp.Or(w.ports[strings.Trim(p, `"`)], "http"))
	}
	fields := map[string]string{}
	switch {
	case o["httpGet"] != nil:
		path := strconv.Quote(cmp.Or(text(o, "httpGet", "path"), "/"))
		fields["http"] = path
		if len(w.ports) > 2 {
			fields["http"] = fmt.Sprintf("{path: %s, port: %s}", path, port("httpGet"))
		}
	case o["tcpSocket"] != nil:
		fields["tcp"] = port("tcpSocket")
	case o["grpc"] != nil:
		fields["grpc"] = port("grpc")
	case o["exec"] != nil:
		fields["exec"] = list(at(o, "exec", "command"))
	default:
		return ""
	}
	for _, name := range []string{"initialDelaySeconds", "periodSeconds", "timeoutSeconds", "successThreshold", "failureThreshold"} {
		if v := o[name]; v != nil {
			fields[name] = literalText(v)
		}
	}
	return braced(fields)
}

func resourcesOf(v any) string {
	fields := map[string]string{}
	requests, _ := at(v, "requests").(map[string]any)
	limits, _ := at(v, "limits").(map[string]any)
	for name, q := range requests {
		fields[name] = literalText(q)
	}
	if len(limits) > 0 {
		of := map[string]string{}
		for name, q := range limits {
			of[name] = literalText(q)
		}
		fields["limits"] = braced(of)
	}
	if len(fields) == 0 {
		return ""
	}
	return "resources: " + braced(fields)
}

func scalarField(name string, v any) string { return name + ": " + literalText(v) }

func list(v any) string {
	items, _ := v.([]any)
	texts := make([]string, len(items))
	for i, item := range items {
		texts[i] = literalText(item)
	}
	return "[" + strings.Join(texts, ", ") + "]"
}

// literalText writes a scalar as CUE does.
func literalText(v any) string {
	switch v := v.(type) {
	case string:
		return strconv.Quote(v)
	case nil, map[string]any, []any:
		return "…"
	default:
		return fmt.Sprint(v)
	}
}

// pasted tells of the Kubernetes objects that a file is, in YAML; nil when it is
// something else.
func (p Project) pasted(file string) Errors {
	data, err := p.read(filepath.Join(p.Dir, filepath.FromSlash(file)))
	if err != nil || len(data) > maxData {
		return nil
	}
	lines := strings.Split(string(data), "\n")
	for i, line := range lines {
		if words := strings.Fields(line); len(words) == 2 && (words[0] == "package" || words[0] == "import") || strings.HasPrefix(strings.TrimSpace(line), "//") {
			lines[i] = ""
		}
	}
	var errs Errors
	for _, doc := range documents(strings.Join(lines, "\n")) {
		var o map[string]any
		data, err := yaml.YAMLToJSON([]byte(doc.text))
		if err == nil {
			err = utiljson.Unmarshal(data, &o)
		}
		if err != nil || text(o, "kind") == "" || text(o, "apiVersion") == "" {
			return nil
		}
		errs = append(errs, objectAsCUE(Pos{File: file, Line: doc.line, Column: 1}, o, " in YAML"))
	}
	return errs
}

// objectAsCUE says that a Kubernetes object is at a place where an App should be.
func objectAsCUE(at Pos, o map[string]any, as string) *Error {
	hint, left := ofObject(o)
	return &Error{
		Code: rule.NoApp, Pos: at, Message: fmt.Sprintf("this is a Kubernetes %s%s, not an App", text(o, "kind"), as),
		Why: cmp.Or(left, "an App says what runs, and becomes all the objects that this takes"), Hint: hint,
	}
}
