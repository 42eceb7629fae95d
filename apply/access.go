package apply

import (
	"context"
	"errors"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// want is what a deploy does to a resource on its way forward.
type want struct {
	resource schema.GroupResource
	verbs    []string
}

// wants lists what deploying targets takes. To remove what is not wanted any more,
// or a first release that failed, takes delete too, which not every deploy needs.
func (c *Client) wants(targets []target) []want {
	out := []want{
		{schema.GroupResource{Resource: "secrets"}, []string{"get", "list", "create", "update"}},
		{schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}, []string{"get", "create", "update", "delete"}},
		{schema.GroupResource{Resource: "pods"}, []string{"list", "watch"}},
		{schema.GroupResource{Group: "apps", Resource: "replicasets"}, []string{"list", "watch"}},
	}
	for _, k := range kindsOf(targets, nil) {
		m, err := c.kinds.mapping(schema.FromAPIVersionAndKind(k.APIVersion, k.Kind))
		if err != nil || m.Scope.Name() != "namespace" {
			continue // said elsewhere, or of the whole cluster
		}
		verbs := []string{"get", "list", "create", "patch"}
		if isWorkload(k) {
			verbs = append(verbs, "watch")
		}
		out = append(out, want{m.Resource.GroupResource(), verbs})
	}
	return out
}

// lacks are what the caller would need to deploy targets and may not do in the
// namespace, in one request. What the server cannot list is taken to be allowed.
func (c *Client) lacks(ctx context.Context, targets []target) ([]*ForbiddenError, error) {
	review := &authorizationv1.SelfSubjectRulesReview{Spec: authorizationv1.SelfSubjectRulesReviewSpec{Namespace: c.owner.Namespace}}
	got, err := c.access.SelfSubjectRulesReviews().Create(ctx, review, metav1.CreateOptions{})
	if err != nil {
		if typed := c.typed(err, Ref{}, nil); isUnreachable(typed) || ctx.Err() != nil {
			return nil, typed
		}
		return nil, nil // who may do what is not for everybody to ask
	}
	if got.Status.Incomplete {
		return nil, nil
	}
	var out []*ForbiddenError
	for _, w := range c.wants(targets) {
		var missing []string
		for _, verb := range w.verbs {
			if !allows(got.Status.ResourceRules, verb, w.resource) {
				missing = append(missing, verb)
			}
		}
		if len(missing) > 0 {
			out = append(out, &ForbiddenError{Verb: strings.Join(missing, ", "), Resource: w.resource.String(), Namespace: c.owner.Namespace})
		}
	}
	return out, nil
}

// allowed returns what the caller would need and may not do: it would be found out
// half-way, or at the end.
func (m *mover) allowed(ctx context.Context) error {
	if m.asked {
		return nil
	}
	m.asked = true
	lacks, err := m.c.lacks(ctx, m.targets)
	errs := []error{err}
	for _, e := range lacks {
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}

// allows reports whether one of the rules is for verb. A rule for some names may be
// for those that are meant.
func allows(rules []authorizationv1.ResourceRule, verb string, r schema.GroupResource) bool {
	has := func(list []string, what string) bool {
		return slices.Contains(list, what) || slices.Contains(list, "*")
	}
	return slices.ContainsFunc(rules, func(rule authorizationv1.ResourceRule) bool {
		return has(rule.Verbs, verb) && has(rule.APIGroups, r.Group) && has(rule.Resources, r.Resource)
	})
}
