package render

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mattfenwick/cyclonus/pkg/matcher"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime"

	"github.com/shipit-dev/shipit/schema"
)

// actor is somebody who connects, or is connected to.
type actor struct {
	name      string
	namespace string // "" is outside of the cluster
	labels    map[string]string
	ip        string
	service   *schema.Service // whose pod it is; nil is a stranger
	task      bool            // a pod of a task of the service
}

// actors are the pods of an app, all that its network speaks of, and strangers.
func actors(app *schema.App) []actor {
	ns := namespace(app)
	list := []actor{
		{name: "dns", namespace: "kube-system", labels: map[string]string{"k8s-app": "kube-dns"}},
		{name: "not dns", namespace: "kube-system", labels: map[string]string{"k8s-app": "other"}},
		{name: "dns elsewhere", namespace: "other", labels: map[string]string{"k8s-app": "kube-dns"}},
		{name: "stranger", namespace: ns, labels: map[string]string{"app": "stranger"}},
		{name: "stranger elsewhere", namespace: "other", labels: map[string]string{}},
		{name: "node-local dns", ip: "169.254.20.10"}, {name: "node-local dns of edge", ip: "fd00::a"},
		{name: "the api server of edge", ip: "10.0.0.1"}, {name: "the internet", ip: "203.0.113.7"},
		{name: "the db of edge", ip: "10.1.2.3"}, {name: "the office", ip: "192.168.3.4"},
	}
	add := func(name, namespace string, labels map[string]string) {
		list = append(list, actor{name: name, namespace: namespace, labels: labels})
	}
	for _, p := range []*schema.Peer{&app.Network.DNS, app.Network.Ingress, app.Network.Monitoring} {
		if p != nil && p.Namespace != "" {
			add("of "+p.Namespace, p.Namespace, p.Labels)
			add("another of "+p.Namespace, p.Namespace, map[string]string{"app": "another"})
			add("like of "+p.Namespace, "other", p.Labels)
		}
	}
	for _, other := range []struct{ app, service, namespace string }{
		{"billing", "invoices", "money"}, {"billing", "web", "money"}, {"billing", "invoices", "billing"}, {"shop", "web", "shop"}, {"other", "web", "ops"}, {app.Name, "audit", ns}, {app.Name, "web", "other"},
	} {
		if app.Service(other.service) != nil && other.app == app.Name && other.namespace == ns {
			continue
		}
		add(fmt.Sprint(other), other.namespace, map[string]string{LabelName: other.service, LabelPartOf: other.app})
	}
	for _, s := range app.Services {
		list = append(list, actor{name: s.Name, namespace: ns, labels: map[string]string{LabelName: s.Name, LabelPartOf: app.Name}, service: s})
		if len(s.Before)+len(s.After) > 0 {
			list = append(list, actor{name: s.Name + "'s task", namespace: ns, labels: map[string]string{LabelTaskOf: s.Name, LabelPartOf: app.Name}, service: s, task: true})
		}
	}
	add("a task of billing", "money", map[string]string{LabelTaskOf: "invoices", LabelPartOf: "billing"})
	for i := range list {
		if list[i].ip == "" {
			list[i].ip = fmt.Sprintf("172.16.0.%d", i+1)
		}
	}
	return list
}

// declared says whether an app's CUE lets from connect to a port of to.
func declared(app *schema.App, from, to actor, port schema.Port) bool {
	return !app.Network.Policy || leaves(app, from, to, port) && enters(app, from, to, port)
}

func leaves(app *schema.App, from, to actor, port schema.Port) bool {
	s := from.service
	if s == nil || port.Port == 53 && port.Protocol != "SCTP" && isDNS(app, to) {
		return true
	}
	tcp := port.Protocol == "" || port.Protocol == "TCP"
	if len(s.Permissions) > 0 && tcp && (port.Port == 443 || port.Port == 6443) && within(app.Network.APIServer, to.ip) {
		return true
	}
	return slices.ContainsFunc(s.Calls, func(c schema.Call) bool {
		switch {
		case c.Host != "":
			return tcp && port.Port == c.Port
		case c.CIDR != "":
			return tcp && port.Port == c.Port && within(c.CIDR, to.ip)
		}
		return calls(app, c, to, port)
	})
}

// calls reports whether c is to a port of to.
func calls(app *schema.App, c schema.Call, to actor, port schema.Port) bool {
	of, ns := app.Name, namespace(app)
	if c.App != "" && c.App != app.Name {
		of, ns = c.App, c.App
	}
	if c.Namespace != "" {
		ns = c.Namespace
	}
	return to.namespace == ns && to.labels[LabelName] == c.Service && to.labels[LabelPartOf] == of && (c.Target == "" || c.Target == port.Name)
}

func enters(app *schema.App, from, to actor, port schema.Port) bool {
	s := to.service
	callsIt := func(s *schema.Service) bool {
		return slices.ContainsFunc(s.Calls, func(c schema.Call) bool { return c.Service != "" && calls(app, c, to, port) })
	}
	called := from.service != nil && callsIt(from.service)
	if s == nil {
		// A service of this app that another project deploys lets nobody else in.
		return called || to.namespace != namespace(app) || to.labels[LabelPartOf] != app.Name || !slices.ContainsFunc(app.Services, callsIt)
	}
	ports := s.ServicePorts()
	if to.task || !slices.ContainsFunc(ports, func(p schema.Port) bool { return p.Name == port.Name }) {
		return false
	}
	for _, other := range app.Services {
		for _, e := range other.Expose {
			answers := len(e.Routes) == 0 && other == s
			for _, r := range e.Routes {
				answers = answers || slices.ContainsFunc(r.Backends, func(b schema.Backend) bool { return b.Service == s.Name && b.Port == port.Name })
			}
			if answers && e.Redirect == nil && is(app.Network.Ingress, from) {
				return true
			}
		}
	}
	if kind := s.Service.Type; kind == schema.NodePort || kind == schema.LoadBalancer || port.Host != 0 {
		return true
	}
	if s.Monitor != nil && (s.Monitor.Port == port.Name || s.Monitor.Port == "" && (port.Name == "metrics" || len(ports) == 1)) && is(app.Network.Monitoring, from) {
		return true
	}
	for _, c := range s.Callers {
		if (c.Port == "" || c.Port == port.Name) && isCaller(c, from) {
			return true
		}
	}
	return called
}

func isDNS(app *schema.App, a actor) bool {
	local, dns := app.Network.NodeLocalDNS, app.Network.DNS
	if local == "" {
		local = "169.254.20.10"
	}
	if dns.Namespace == "" {
		dns = schema.Peer{Namespace: "kube-system", Labels: map[string]string{"k8s-app": "kube-dns"}}
	}
	return a.ip == local || is(&dns, a)
}

func is(p *schema.Peer, a actor) bool {
	if p == nil {
		return true
	}
	for key, value := range p.Labels {
		if a.labels[key] != value {
			return false
		}
	}
	return a.namespace == p.Namespace
}

func isCaller(c schema.Caller, from actor) bool {
	switch {
	case c.CIDR != "":
		return within(c.CIDR, from.ip)
	case c.App == "":
		return from.namespace == c.Namespace
	}
	ns := c.Namespace
	if ns == "" {
		ns = c.App
	}
	return from.namespace == ns && from.labels[LabelPartOf] == c.App && (c.Service == "" || from.labels[LabelName] == c.Service || from.labels[LabelTaskOf] == c.Service)
}

func within(cidr, ip string) bool {
	return cidr == "" || netip.MustParsePrefix(cidr).Contains(netip.MustParseAddr(ip))
}

// Exactly what is declared can connect, by Cyclonus' model of policies
// (https://github.com/mattfenwick/cyclonus), in every golden app and every example.
func TestPoliciesPairByPair(t *testing.T) {
	t.Parallel()
	all := map[string]*schema.App{}
	for name, make := range apps {
		app, _ := make()
		all[name] = app
	}
	off, _ := edge()
	off.Network.Policy = false
	all["edge without policies"] = off
	for name, app := range examples(t) {
		all[name] = app
	}
	for name, app := range all {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			allowed, refused := compare(t, app)
			t.Logf("%d connections are allowed, %d are not", allowed, refused)
			if app.Network.Policy && (allowed == 0 || refused == 0) {
				t.Error("nothing was compared")
			}
		})
	}
}

// examples are those of the project in all their environments.
func examples(t *testing.T) map[string]*schema.App {
	t.Helper()
	var projects []string
	for _, pattern := range []string{"../examples/*/*.cue", "../examples/*/apps/*/*.cue"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no examples %s: %v", pattern, err)
		}
		for _, file := range files {
			projects = append(projects, filepath.Dir(file))
		}
	}
	found := map[string]*schema.App{}
	for _, dir := range slices.Compact(projects) {
		loaded, err := schema.LoadAll(t.Context(), dir, schema.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, app := range loaded {
			found[filepath.Base(dir)+" "+app.Environment] = app
		}
	}
	return found
}

func compare(t *testing.T, app *schema.App) (allowed, refused int) {
	t.Helper()
	policy := matcher.BuildNetworkPolicies(false, policiesOf(t, app))
	list := actors(app)
	for _, from := range list {
		for _, to := range list {
			if from.namespace == "" && to.namespace == "" {
				continue
			}
			for _, port := range portsOf(to) {
				want := declared(app, from, to, port)
				got := policy.IsTrafficAllowed(&matcher.Traffic{
					Source: peerOf(from), Destination: peerOf(to),
					ResolvedPort: int(port.Port), ResolvedPortName: port.Name, Protocol: protocol(port.Protocol),
				}).IsAllowed()
				if got != want {
					t.Errorf("%s to port %d/%s (%s) of %s: got %t, want %t", from.name, port.Port, protocol(port.Protocol), port.Name, to.name, got, want)
				}
				if got {
					allowed++
				} else {
					refused++
				}
			}
		}
	}
	return allowed, refused
}

// portsOf are the ports of an actor, those that policies speak of, and one that
// nobody knows.
func portsOf(a actor) []schema.Port {
	ports := []schema.Port{{Port: 9999}, {Port: 53, Protocol: "UDP"}, {Port: 53, Protocol: "TCP"}, {Port: 443}, {Port: 443, Protocol: "UDP"}, {Port: 6443}, {Port: 5432}, {Port: 587}}
	if a.service != nil && !a.task {
		ports = append(ports, a.service.ServicePorts()...)
	}
	return ports
}

func peerOf(a actor) *matcher.TrafficPeer {
	p := &matcher.TrafficPeer{IP: a.ip}
	if a.namespace != "" {
		p.Internal = &matcher.InternalPeer{PodLabels: a.labels, Namespace: a.namespace, NamespaceLabels: map[string]string{corev1.LabelMetadataName: a.namespace}}
	}
	return p
}

func policiesOf(t *testing.T, app *schema.App) []*networkingv1.NetworkPolicy {
	t.Helper()
	opts := Options{Images: map[string]string{}}
	for _, s := range app.Services {
		opts.Images[s.Name] = image(s.Name)
		for _, c := range s.Sidecars {
			opts.Images[s.Name+".sidecars."+c.Name] = image(c.Name)
		}
	}
	var policies []*networkingv1.NetworkPolicy
	for _, o := range find(t, app, opts, "NetworkPolicy") {
		var p networkingv1.NetworkPolicy
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, &p); err != nil {
			t.Fatal(err)
		}
		policies = append(policies, &p)
	}
	return policies
}
