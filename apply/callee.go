package apply

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// otherApp is an app that one calls, as its state in the cluster tells.
type otherApp struct {
	c      *Client // as its owner would have it; it only reads
	from   Owner   // who calls
	index  *index  // nil when it may not be read
	absent bool    // it has no index
	others []Owner // where apps are, when this one is absent and that may be seen
	doubts []doubt
}

func (c *Client) otherApp(app, namespace string) *otherApp {
	other := *c
	other.owner = Owner{App: app, Namespace: namespace}
	return &otherApp{c: &other, from: c.owner}
}

func (a *otherApp) read(ctx context.Context) error {
	snap, err := store{a.c}.read(ctx)
	switch {
	case err != nil:
		d, err := unseen(fmt.Sprintf("whether it is deployed in namespace %s", a.c.owner.Namespace), err)
		a.doubts = append(a.doubts, d)
		return err
	case snap.version == "":
		a.absent = true
		a.others = a.c.appsThere(ctx)
	default:
		a.index = &snap.index
	}
	return nil
}

// services are those that have a release.
func (a *otherApp) services() []string {
	names := a.index.units()
	return slices.DeleteFunc(names, func(name string) bool { return name == AppUnit || a.index.Units[name].Release == 0 })
}

// appsThere lists which apps are deployed where, by the names of their indexes: of the
// whole cluster, or of this namespace, or none when neither may be seen.
func (c *Client) appsThere(ctx context.Context) []Owner {
	secrets := c.metadata.Resource(secretsOf)
	o := metav1.ListOptions{LabelSelector: labels.SelectorFromSet(labels.Set{labelState: "index"}).String()}
	list, err := secrets.List(ctx, o)
	if err != nil {
		list, err = secrets.Namespace(c.owner.Namespace).List(ctx, o)
	}
	if err != nil {
		return nil
	}
	var out []Owner
	for i := range list.Items {
		out = append(out, Owner{App: list.Items[i].Labels[labelApp], Namespace: list.Items[i].Namespace})
	}
	return out
}

// callee is one service that is called.
type callee struct {
	of        *otherApp
	call      Call
	service   *corev1.Service // nil when it may not be read
	noService bool
	policies  []networkingv1.NetworkPolicy // those that say who may connect to it
	doubts    []doubt
}

// look reads what is known of the callee. That something may not be read is a
// doubt.
func (c *callee) look(ctx context.Context) error {
	c.doubts = slices.Clone(c.of.doubts)
	if c.of.absent || c.of.index != nil && !slices.Contains(c.of.services(), c.call.Service) {
		return nil
	}
	doubtful := func(what string, err error) error {
		d, err := unseen(what, err)
		if err == nil {
			c.doubts = append(c.doubts, d)
		}
		return err
	}
	client, ns := c.of.c, c.call.Namespace
	service, err := client.core.Services(ns).Get(ctx, c.call.Service, metav1.GetOptions{})
	switch {
	case err == nil:
		c.service = service
	case apierrors.IsNotFound(err):
		c.noService = true
		return nil
	default:
		ref := Ref{APIVersion: "v1", Kind: "Service", Namespace: ns, Name: c.call.Service}
		typed := client.typed(err, ref, nil)
		if _, err := unseen("", typed); err != nil || c.of.index == nil {
			return err // nothing may be seen there, and that is said already
		}
		if err := doubtful("its ports", typed); err != nil {
			return err
		}
	}
	if c.of.index != nil {
		if err := c.health(ctx, doubtful); err != nil {
			return err
		}
	}
	return c.readPolicies(ctx, doubtful)
}

// health looks whether the callee answers now.
func (c *callee) health(ctx context.Context, doubtful func(string, error) error) error {
	u := c.of.index.Units[c.call.Service]
	switch {
	case u.State == StateDeploying && u.Lock != nil:
		held := &LockedError{Holder: u.Lock.By, DeployID: u.Lock.Deploy}
		c.doubts = append(c.doubts, doubt{why: "it is being deployed by " + held.holder()})
		return nil
	case u.State != StateDeployed:
		c.doubts = append(c.doubts, doubt{why: fmt.Sprintf("it is not at a healthy release (%s)", u.State)})
		return nil
	}
	var objects []*unstructured.Unstructured
	for _, k := range c.of.index.Kinds {
		if !isWorkload(k) || k.Kind == "Job" {
			continue
		}
		found, err := c.of.c.live(ctx, []kindRef{k})
		if err != nil {
			return doubtful("whether it is healthy", err)
		}
		for _, o := range found {
			if unitOf(o) == c.call.Service {
				objects = append(objects, o)
			}
		}
	}
	if pods, healthy := podsNow(objects); !healthy {
		c.doubts = append(c.doubts, doubt{why: fmt.Sprintf("it is not healthy now (%d of %d pods ready)", pods.Ready, pods.Wanted)})
	}
	return nil
}

func (c *callee) readPolicies(ctx context.Context, doubtful func(string, error) error) error {
	ref := Ref{APIVersion: "networking.k8s.io/v1", Kind: "NetworkPolicy", Namespace: c.call.Namespace}
	r, err := c.of.c.resource(ref)
	var list *unstructured.UnstructuredList
	if err == nil {
		list, err = r.List(ctx, metav1.ListOptions{})
	}
	if err != nil {
		return doubtful("whether it lets the caller in", c.of.c.typed(err, ref, nil))
	}
	pods := labels.Set{labelName: c.call.Service, labelPartOf: c.call.App}
	for i := range list.Items {
		var p networkingv1.NetworkPolicy
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(list.Items[i].Object, &p); err != nil {
			continue // not as this program knows it: it allows nothing that we see
		}
		if slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeIngress) && selects(&p.Spec.PodSelector, pods) {
			c.policies = append(c.policies, p)
		}
	}
	return nil
}

// shut is a doubt when the callee's policies let nobody in that has these labels,
// on a pod and its namespace. Policies that name addresses may mean any pod.
func (c *callee) shut(pod, namespace labels.Set) []doubt {
	for _, p := range c.policies {
		for _, rule := range p.Spec.Ingress {
			if c.rulePorts(rule.Ports) && (len(rule.From) == 0 || slices.ContainsFunc(rule.From, func(peer networkingv1.NetworkPolicyPeer) bool {
				switch {
				case peer.IPBlock != nil:
					return true
				case peer.NamespaceSelector == nil && c.call.Namespace != c.of.from.Namespace:
					return false
				}
				return selects(peer.NamespaceSelector, namespace) && selects(peer.PodSelector, pod)
			})) {
				return nil
			}
		}
	}
	if len(c.policies) == 0 || pod == nil {
		return nil
	}
	from := c.of.from
	fix := fmt.Sprintf("there, write services: %s: callers: %s: app: %q", c.call.Service, from.App, from.App)
	if from.Namespace != from.App {
		fix = fmt.Sprintf("there, write services: %s: callers: %s: {app: %q, namespace: %q}", c.call.Service, from.App, from.App, from.Namespace)
	}
	return []doubt{{
		why: fmt.Sprintf("its network policies do not let app %s in namespace %s connect", from.App, from.Namespace),
		fix: fix,
	}}
}

// rulePorts reports whether a rule is for the port that is called. A number and a
// name may mean the same one.
func (c *callee) rulePorts(ports []networkingv1.NetworkPolicyPort) bool {
	if len(ports) == 0 || c.service == nil {
		return true
	}
	i := slices.IndexFunc(c.service.Spec.Ports, func(p corev1.ServicePort) bool { return p.Port == c.call.Port })
	if i < 0 {
		return true
	}
	target := c.service.Spec.Ports[i].TargetPort
	return slices.ContainsFunc(ports, func(p networkingv1.NetworkPolicyPort) bool {
		switch {
		case p.Port == nil || p.Port.Type != target.Type:
			return true
		case p.Port.Type == intstr.String:
			return p.Port.StrVal == target.StrVal
		case p.EndPort != nil:
			return p.Port.IntVal <= target.IntVal && target.IntVal <= *p.EndPort
		}
		return p.Port.IntVal == target.IntVal
	})
}

// selects reports whether labels are selected; no selector selects all.
func selects(s *metav1.LabelSelector, of labels.Set) bool {
	if s == nil {
		return true
	}
	selector, err := metav1.LabelSelectorAsSelector(s)
	return err == nil && selector.Matches(of)
}

// podLabels are those of a unit's pods; nil when it has none.
func podLabels(t target) labels.Set {
	for _, o := range t.objects {
		in := []string{"spec", "template", "metadata", "labels"}
		if o.GetKind() == "CronJob" {
			in = append([]string{"spec", "jobTemplate"}, in...)
		}
		if found, ok, _ := unstructured.NestedStringMap(o.Object, in...); ok && hookPhase(o) == "" {
			return found
		}
	}
	return nil
}

// namespaceLabels are those of the namespace as far as they may be seen, or as
// they will be.
func (c *Client) namespaceLabels(ctx context.Context) labels.Set {
	out := labels.Set{corev1.LabelMetadataName: c.owner.Namespace}
	if ns, err := c.core.Namespaces().Get(ctx, c.owner.Namespace, metav1.GetOptions{}); err == nil {
		for k, v := range ns.Labels {
			out[k] = v
		}
	}
	return out
}
