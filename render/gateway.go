package render

import (
	"cmp"
	"maps"
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shipit-dev/shipit/schema"
)

const (
	gatewayGroup = "gateway.networking.k8s.io"
	gatewayAPI   = gatewayGroup + "/v1"
)

// httpRoute hands requests to services, as its Gateway takes them in
// (https://gateway-api.sigs.k8s.io/api-types/httproute). Lists in it are owned
// whole: what the server would add to their items is written out.
func (s *service) httpRoute(e schema.Expose, routes []schema.Route) any {
	parent := map[string]any{"group": gatewayGroup, "kind": "Gateway", "name": e.Gateway.Name}
	setText(parent, "namespace", e.Gateway.Namespace)
	setText(parent, "sectionName", e.Gateway.SectionName)
	rules := make([]any, len(routes))
	for i, r := range routes {
		rules[i] = routeRule(e, r)
	}
	spec := map[string]any{"parentRefs": []any{parent}, "rules": rules}
	if e.Host != "" {
		spec["hostnames"] = []any{e.Host}
	}
	return s.custom(gatewayAPI, "HTTPRoute", s.Name+"-"+e.Name, e.Annotations, spec)
}

func routeRule(e schema.Expose, r schema.Route) map[string]any {
	kind := "PathPrefix"
	if r.Exact {
		kind = "Exact"
	}
	match := map[string]any{"path": map[string]any{"type": kind, "value": cmp.Or(r.Path, "/")}}
	setText(match, "method", r.Method)
	var headers []any
	for _, name := range slices.Sorted(maps.Keys(r.Headers)) {
		headers = append(headers, map[string]any{"type": "Exact", "name": name, "value": r.Headers[name]})
	}
	setList(match, "headers", headers)
	rule := map[string]any{"matches": []any{match}}
	setList(rule, "filters", routeFilters(e, r))
	if r.Timeout != "" {
		rule["timeouts"] = map[string]any{"request": r.Timeout}
	}
	var backends []any
	for _, b := range r.Backends {
		backends = append(backends, map[string]any{
			"group": "", "kind": "Service", "name": b.Service, "port": int64(b.Number), "weight": int64(b.Weight),
		})
	}
	setList(rule, "backendRefs", backends)
	return rule
}

func routeFilters(e schema.Expose, r schema.Route) []any {
	var filters []any
	for _, f := range []struct {
		kind, field string
		headers     schema.Headers
	}{
		{"RequestHeaderModifier", "requestHeaderModifier", r.RequestHeaders},
		{"ResponseHeaderModifier", "responseHeaderModifier", r.ResponseHeaders},
	} {
		if changes := headerChanges(f.headers); len(changes) > 0 {
			filters = append(filters, map[string]any{"type": f.kind, f.field: changes})
		}
	}
	if e.Redirect != nil {
		return append(filters, map[string]any{"type": "RequestRedirect", "requestRedirect": redirect(*e.Redirect)})
	}
	if r.Rewrite != "" {
		path := map[string]any{"type": "ReplacePrefixMatch", "replacePrefixMatch": r.Rewrite}
		if r.Exact {
			path = fullPath(r.Rewrite)
		}
		filters = append(filters, map[string]any{"type": "URLRewrite", "urlRewrite": map[string]any{"path": path}})
	}
	return filters
}

func headerChanges(h schema.Headers) map[string]any {
	changes := map[string]any{}
	for field, values := range map[string]map[string]string{"set": h.Set, "add": h.Add} {
		var list []any
		for _, name := range slices.Sorted(maps.Keys(values)) {
			list = append(list, map[string]any{"name": name, "value": values[name]})
		}
		setList(changes, field, list)
	}
	var remove []any
	for _, name := range slices.Sorted(slices.Values(h.Remove)) {
		remove = append(remove, name)
	}
	setList(changes, "remove", remove)
	return changes
}

func redirect(r schema.Redirect) map[string]any {
	fields := map[string]any{"statusCode": int64(cmp.Or(r.Status, 302))}
	setText(fields, "scheme", r.Scheme)
	setText(fields, "hostname", r.Host)
	if r.Path != "" {
		fields["path"] = fullPath(r.Path)
	}
	if r.Port != 0 {
		fields["port"] = int64(r.Port)
	}
	return fields
}

func fullPath(path string) map[string]any {
	return map[string]any{"type": "ReplaceFullPath", "replaceFullPath": path}
}

// gateway is one of the app's own.
func gateway(app *schema.App, g schema.Gateway) customObject {
	var listeners []any
	for _, l := range sorted(g.Listeners, func(l schema.Listener) string { return l.Name }) {
		listeners = append(listeners, listener(l))
	}
	return customObject{
		metav1.TypeMeta{APIVersion: gatewayAPI, Kind: "Gateway"},
		metav1.ObjectMeta{Name: g.Name, Namespace: namespace(app), Labels: appLabels(app)},
		g.Annotations,
		map[string]any{"gatewayClassName": g.Class, "listeners": listeners},
	}
}

// listener ends TLS where it has certificates, and else leaves it to who answers.
func listener(l schema.Listener) map[string]any {
	kind := "HTTP"
	if len(l.Secrets) > 0 {
		kind = "HTTPS"
	}
	fields := map[string]any{
		"name": l.Name, "port": int64(l.Port), "protocol": cmp.Or(l.Protocol, kind),
		"allowedRoutes": map[string]any{"namespaces": map[string]any{"from": cmp.Or(l.From, "Same")}},
	}
	setText(fields, "hostname", l.Host)
	if fields["protocol"] == "HTTP" {
		return fields
	}
	tls := map[string]any{"mode": "Passthrough"}
	var certificates []any
	for _, name := range slices.Sorted(slices.Values(l.Secrets)) {
		certificates = append(certificates, map[string]any{"group": "", "kind": "Secret", "name": name})
	}
	if len(certificates) > 0 {
		tls = map[string]any{"mode": "Terminate", "certificateRefs": certificates}
	}
	fields["tls"] = tls
	return fields
}

func setText(fields map[string]any, name, value string) {
	if value != "" {
		fields[name] = value
	}
}

func setList(fields map[string]any, name string, list []any) {
	if len(list) > 0 {
		fields[name] = list
	}
}
