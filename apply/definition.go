package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"

	"github.com/shipit-dev/shipit/apply/health"
)

// definitionKind is of the objects that define kinds. They are applied before
// anything else, and established before the first object of their kinds.
const definitionKind = "CustomResourceDefinition"

func isDefinition(ref Ref) bool {
	return ref.Kind == definitionKind && ref.GVK().Group == "apiextensions.k8s.io"
}

// defined are the kinds that definitions among the objects of targets define, and
// whether they live in namespaces.
func defined(targets []target) map[schema.GroupKind]bool {
	out := map[schema.GroupKind]bool{}
	for _, t := range targets {
		for _, o := range t.objects {
			if !isDefinition(refOf(o)) {
				continue
			}
			group, _, _ := unstructured.NestedString(o.Object, "spec", "group")
			kind, _, _ := unstructured.NestedString(o.Object, "spec", "names", "kind")
			scope, _, _ := unstructured.NestedString(o.Object, "spec", "scope")
			out[schema.GroupKind{Group: group, Kind: kind}] = scope == "Namespaced"
		}
	}
	return out
}

// definitionsFirst parts the definitions of kinds from the other changes.
func definitionsFirst(changes []*change) (definitions, rest []*change) {
	for _, ch := range changes {
		if isDefinition(ch.ref) {
			definitions = append(definitions, ch)
		} else {
			rest = append(rest, ch)
		}
	}
	return definitions, rest
}

// redefine marks the changes whose kinds are defined anew: what the server says of
// them by the old definition may be wrong.
func redefine(definitions, rest []*change) {
	changed := slices.DeleteFunc(slices.Clone(definitions), func(ch *change) bool { return ch.err != nil || !ch.action.writes() })
	for _, d := range changed {
		of := defined([]target{{objects: []*unstructured.Unstructured{d.desired}}})
		for _, ch := range rest {
			if _, ok := of[ch.ref.GVK().GroupKind()]; ok {
				ch.redefined = true
			}
		}
	}
}

// isOfOldDefinition reports whether the server may have refused an object for a
// field or a value that it does not know.
func isOfOldDefinition(err error) bool {
	return apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsInternalError(err) && !health.IsDenial(err.Error())
}

// relearning is how long the server may take to go by a definition that changed.
const relearning = 5 * time.Second

// relearningError is a refusal that may pass, as the definition of the kind was changed
// a moment ago.
type relearningError struct{ error }

func (e *relearningError) Unwrap() error { return e.error }

// relearned returns what a refusal by the old definition, or by the new one, comes to
// after a time: at last it is the object that is wrong, whatever the status code.
func (ch *change) relearned(err error, after time.Duration) error {
	if after < relearning {
		return &relearningError{err}
	}
	return &InvalidError{Object: ch.ref, Err: errors.New(err.Error())}
}

// oursAlready looks for an object whose version is yet to be defined in one that
// the server knows: it may be there, and somebody else's.
func (c *Client) oursAlready(ctx context.Context, ch *change) error {
	m, err := c.kinds.discovered.RESTMapping(ch.ref.GVK().GroupKind())
	if err != nil {
		return nil // the kind is new
	}
	o, err := c.dyn.Resource(m.Resource).Namespace(ch.ref.Namespace).Get(ctx, ch.ref.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return c.typed(err, ch.ref, nil)
	}
	return c.ours(o)
}

// establishing is how long the API server may take to serve a new kind; it takes
// a second or two.
const establishing = time.Minute

// establish waits until the API server serves what definitions define, and looks
// anew which kinds there are.
func (w *writer) establish(ctx context.Context, changes []*change) error {
	waited := false
	for _, ch := range changes {
		if !isDefinition(ch.ref) || ch.applied == nil {
			continue
		}
		if ch.err = w.c.established(ctx, ch.ref); ch.err != nil {
			return ch.err
		}
		waited = true
	}
	if !waited {
		return nil
	}
	w.c.kinds.forget()
	for _, ch := range changes {
		if isDefinition(ch.ref) && ch.applied != nil {
			if ch.err = w.c.served(ctx, ch.desired); ch.err != nil {
				return ch.err
			}
		}
	}
	return nil
}

// served waits until the API server answers for the kinds of a definition. That
// it is established is known before, a moment before all of the server knows.
func (c *Client) served(ctx context.Context, definition *unstructured.Unstructured) error {
	ref := refOf(definition)
	ctx, cancel := context.WithTimeoutCause(ctx, establishing, fmt.Errorf("%s: the API server does not serve the kind after %s", ref, establishing))
	defer cancel()
	text := func(fields ...string) string {
		s, _, _ := unstructured.NestedString(definition.Object, fields...)
		return s
	}
	versions, _, _ := unstructured.NestedSlice(definition.Object, "spec", "versions")
	for _, v := range versions {
		version, _ := v.(map[string]any)
		name, _ := version["name"].(string)
		if version["served"] != true {
			continue
		}
		gvk := schema.GroupVersionKind{Group: text("spec", "group"), Version: name, Kind: text("spec", "names", "kind")}
		resource := gvk.GroupVersion().WithResource(text("spec", "names", "plural"))
		for {
			_, err := c.dyn.Resource(resource).Namespace(c.namespaceOf(text("spec", "scope"))).List(ctx, metav1.ListOptions{Limit: 1})
			if !apierrors.IsNotFound(err) && !c.kinds.undefined(gvk) {
				break // it answers, if only that one may not list
			}
			if !pause(ctx, 50*time.Millisecond) {
				return context.Cause(ctx)
			}
			c.kinds.forget()
		}
	}
	return nil
}

func (c *Client) namespaceOf(scope string) string {
	if scope == "Namespaced" {
		return c.owner.Namespace
	}
	return ""
}

func (c *Client) established(ctx context.Context, ref Ref) error {
	r, err := c.resource(ref)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, establishing, fmt.Errorf("%s: the API server does not serve the kind after %s", ref, establishing))
	defer cancel()
	for {
		done, err := c.awaitEstablished(ctx, ref, func(o metav1.ListOptions) (watch.Interface, error) { return r.Watch(ctx, o) })
		switch {
		case done:
			return nil
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case isPassing(err):
			pause(ctx, again)
		case err != nil:
			return c.typed(err, ref, nil)
		}
		// The watch ended, or said nothing.
		if o, err := r.Get(ctx, ref.Name, metav1.GetOptions{}); err == nil {
			if done, err := isEstablished(o); done || err != nil {
				return err
			}
		}
	}
}

// awaitEstablished watches the definition until it is established, cannot be, the watch
// ends, or says nothing.
func (c *Client) awaitEstablished(ctx context.Context, ref Ref, start func(metav1.ListOptions) (watch.Interface, error)) (bool, error) {
	w, err := start(metav1.ListOptions{FieldSelector: fields.OneTermEqualSelector("metadata.name", ref.Name).String()})
	if err != nil {
		return false, err
	}
	defer w.Stop()
	quiet := time.NewTimer(quietDead) // the first it brings is what is there
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return false, context.Cause(ctx)
		case <-quiet.C:
			return false, nil
		case ev, open := <-w.ResultChan():
			if !open {
				return false, nil
			}
			o, ok := ev.Object.(*unstructured.Unstructured)
			if !ok {
				return false, nil
			}
			if done, err := isEstablished(o); done || err != nil {
				return done, err
			}
		}
	}
}

func isEstablished(o *unstructured.Unstructured) (bool, error) {
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range conditions {
		m, _ := c.(map[string]any)
		switch {
		case m["type"] == "Established" && m["status"] == "True":
			return true, nil
		case m["type"] == "NamesAccepted" && m["status"] == "False":
			message, _ := m["message"].(string)
			return false, &InvalidError{Object: refOf(o), Err: errors.New(message)}
		}
	}
	return false, nil
}
