package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/dynamic"
)

// A Service with an address of its own and one without (headless) cannot become
// each other: the API server refuses the one, and keeps "clusterIP: None" without
// a word in the other. It is deleted and made anew. Nothing is lost by that but the
// address, which is allocated anew; a Service that has ports on the nodes or an
// address outside has more to lose, and is refused.
//
// So is a claim that was never bound, which holds nothing, if a deploy left it that was
// stopped: nobody else could deploy the mended one beside it.

// addressField is what of a Service cannot be changed.
const addressField = ".spec.clusterIP"

// isHeadless reports whether a Service has, or is to have, no address; ok is false
// of what has neither.
func isHeadless(o *unstructured.Unstructured) (headless, ok bool) {
	if o == nil || o.GetKind() != "Service" || o.GetAPIVersion() != "v1" || serviceType(o) == "ExternalName" {
		return false, false
	}
	address, _, _ := unstructured.NestedString(o.Object, "spec", "clusterIP")
	all, _, _ := unstructured.NestedStringSlice(o.Object, "spec", "clusterIPs")
	return address == "None" || address == "" && len(all) == 1 && all[0] == "None", true
}

func serviceType(o *unstructured.Unstructured) string {
	t, _, _ := unstructured.NestedString(o.Object, "spec", "type")
	return t
}

// changesAddress reports whether a Service that is there is to become headless, or
// to be so no more.
func changesAddress(desired, live *unstructured.Unstructured) bool {
	to, okTo := isHeadless(desired)
	from, okFrom := isHeadless(live)
	return okTo && okFrom && to != from
}

// refineReplaced asks about an object that is to be made anew.
func (c *Client) refineReplaced(ctx context.Context, r dynamic.ResourceInterface, ch *change) error {
	ch.fields = []string{addressField}
	if isClaim(ch.ref) {
		ch.fields = []string{".spec"}
	} else if t := serviceType(ch.live); t != "ClusterIP" {
		return &InvalidError{Object: ch.ref, Field: "spec.clusterIP", Immutable: true, Err: fmt.Errorf("a Service of type %s is not replaced", t)}
	}
	_, err := c.fresh(ctx, r, ch)
	return c.typed(err, ch.ref, ch.live)
}

// replace deletes the object that is there, and waits until it is gone, so that it
// can be made anew.
func (w *writer) replace(ctx context.Context, ch *change) error {
	field, lost := addressField, "it gets another address"
	if isClaim(ch.ref) {
		field, lost = ".spec", "it was never bound, so nothing is in it"
	}
	w.em.emit(Event{Kind: EventWarning, Unit: ch.unit, Object: &ch.ref, Message: fmt.Sprintf("%s is deleted and made anew: %s cannot be changed; %s", ch.ref, field, lost)})
	if isClaim(ch.ref) {
		deleted, err := w.deleteUnbound(ctx, ch.live)
		if err == nil && !deleted {
			err = &InvalidError{Object: ch.ref, Field: "spec", Immutable: true, Err: errors.New("it was bound meanwhile")}
		}
		return err
	}
	if err := w.remove(ctx, ch); err != nil {
		return err
	}
	ch.done = false // it is not back yet
	ctx, cancel := context.WithTimeoutCause(ctx, deleteTimeout, fmt.Errorf("%s is not gone after %s", ch.ref, deleteTimeout))
	defer cancel()
	return w.c.objectGone(ctx, w.em, ch.unit, ch.ref, ch.live)
}

// named names what of a StatefulSet cannot be changed: the API server only says
// what can be.
func (ch *change) named(err error) error {
	var invalid *InvalidError
	if !errors.As(err, &invalid) || !invalid.Immutable {
		return err
	}
	invalid.Empty = ch.live != nil && neverBound(ch.live)
	if ch.ref.Kind != "StatefulSet" {
		return err
	}
	var fields []string
	for _, p := range ch.maybe {
		names := fieldNames(p)
		if len(names) < 2 || names[0] != "spec" {
			continue
		}
		switch names[1] {
		case "replicas", "ordinals", "template", "updateStrategy", "revisionHistoryLimit", "persistentVolumeClaimRetentionPolicy", "minReadySeconds":
		default:
			fields = append(fields, "spec."+names[1])
		}
	}
	if slices.Sort(fields); len(fields) > 0 {
		invalid.Field = strings.Join(slices.Compact(fields), ", ")
	}
	return err
}
