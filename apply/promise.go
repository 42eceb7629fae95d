package apply

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/apply/health"
)

// How long a controller may take to make a Secret.
const (
	graceNoOperator = 30 * time.Second // as long as it says nothing at all
	graceSynced     = 15 * time.Second // of a failure that it tells: the store may answer again
	promiseAtMost   = 5 * time.Minute
)

// SecretNotMadeError says that a controller did not make the Secret that pods wait
// for.
type SecretNotMadeError struct {
	Object Ref // what it is made of
	Secret string
	Reason string // the controller's, as in SecretSyncedError; "" when it says nothing
	Says   string
}

func (e *SecretNotMadeError) Error() string {
	if e.Reason == "" {
		return fmt.Sprintf("%s: no controller made its Secret %s, or said why not", e.Object, e.Secret)
	}
	return fmt.Sprintf("%s: its Secret %s was not made: %s: %s", e.Object, e.Secret, e.Reason, e.Says)
}

// Hint tells where to look.
func (e *SecretNotMadeError) Hint() string {
	if e.Reason == "" {
		return fmt.Sprintf("is the operator of %s running in the cluster?", e.Object.GVK().Group)
	}
	return "look at the store that it names, and whether the key is there"
}

// secretOf is the Secret that a controller makes of o, "" of what makes none.
func secretOf(o *unstructured.Unstructured) string {
	if o == nil {
		return ""
	}
	var in []string
	is := func(group, kind string) bool {
		return strings.HasSuffix("."+o.GroupVersionKind().Group, "."+group) && o.GetKind() == kind
	}
	switch {
	case is("external-secrets.io", "ExternalSecret"):
		in = []string{"spec", "target", "name"}
	case is("cert-manager.io", "Certificate"):
		in = []string{"spec", "secretName"}
	case is("bitnami.com", "SealedSecret"):
		in = []string{"spec", "template", "metadata", "name"}
	default:
		return ""
	}
	if name, _, _ := unstructured.NestedString(o.Object, in...); name != "" {
		return name
	}
	return o.GetName()
}

// awaitSecrets waits for the Secrets that controllers make of what was applied and
// that the pods of the changes refer to: a pod that starts without would only be
// said to be broken.
func (w *writer) awaitSecrets(ctx context.Context, changes []*change) error {
	var wanted []string
	for _, ch := range changes {
		if t := ch.template(); t != nil {
			for _, r := range health.References(&t.spec) {
				wanted = append(wanted, r.Name)
			}
		}
	}
	g := &errgroup.Group{}
	for _, ch := range changes {
		if name := secretOf(ch.desired); ch.applied != nil && slices.Contains(wanted, name) {
			g.Go(func() error {
				ch.err = w.c.secretMade(ctx, ch.ref, name)
				return ch.err
			})
		}
	}
	return g.Wait()
}

func (ch *change) template() *podTemplate {
	if ch.desired == nil || !hasTemplate(kindRef{ch.ref.APIVersion, ch.ref.Kind}) {
		return nil
	}
	return templateOf(ch.unit, ch.desired)
}

// secretMade returns when the Secret is there, or with a SecretNotMadeError.
func (c *Client) secretMade(ctx context.Context, from Ref, name string) error {
	secrets := c.metadata.Resource(corev1.SchemeGroupVersion.WithResource("secrets")).Namespace(c.owner.Namespace)
	r, err := c.resource(from)
	if err != nil {
		return err
	}
	start := time.Now()
	var failing time.Time
	for {
		_, err := secrets.Get(ctx, name, metav1.GetOptions{})
		if err == nil {
			return nil
		}
		if !apierrors.IsNotFound(err) && !isPassing(err) {
			return c.typed(err, Ref{APIVersion: "v1", Kind: "Secret", Namespace: c.owner.Namespace, Name: name}, nil)
		}
		e := &SecretNotMadeError{Object: from, Secret: name}
		said := false
		if o, err := r.Get(ctx, from.Name, metav1.GetOptions{}); err == nil {
			said, e.Reason, e.Says = notReady(o)
		}
		if e.Reason == "" {
			failing = time.Time{}
		} else if failing.IsZero() {
			failing = time.Now()
		}
		switch since := time.Since(start); {
		case !said && since > graceNoOperator, since > promiseAtMost, !failing.IsZero() && time.Since(failing) > graceSynced:
			return e
		}
		if !pause(ctx, 200*time.Millisecond) {
			return context.Cause(ctx)
		}
	}
}

// notReady reads what a controller says of an object: whether anything, and why it
// is not ready when that is a failure.
func notReady(o *unstructured.Unstructured) (said bool, reason, message string) {
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, c := range conditions {
		m, _ := c.(map[string]any)
		if m["type"] != "Ready" && m["type"] != "Synced" {
			continue
		}
		said = true
		reason, _ = m["reason"].(string)
		message, _ = m["message"].(string)
		if m["status"] == "False" && reason != "Issuing" && reason != "Pending" && reason != "DoesNotExist" {
			return said, reason, message
		}
	}
	return said, "", ""
}
