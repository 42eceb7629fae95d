package apply

import (
	"context"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/apply/health"
)

// held is what is known of an object that references point to.
type held struct {
	object *unstructured.Unstructured // nil when it is not there
	err    error                      // why that is not known
}

// heldNow asks for one object that this deploy does not make.
func (c *Client) heldNow(ctx context.Context, kind, name string) held {
	ref := Ref{APIVersion: "v1", Kind: kind, Namespace: c.owner.Namespace, Name: name}
	r, err := c.resource(ref)
	if err != nil {
		return held{err: err}
	}
	o, err := r.Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return held{}
	}
	return held{object: o, err: c.typed(err, ref, nil)}
}

// byObject groups references by what they point to, in the order of the first.
func byObject(refs []health.Reference) [][]health.Reference {
	var out [][]health.Reference
	for _, r := range refs {
		i := slices.IndexFunc(out, func(g []health.Reference) bool { return g[0].Kind == r.Kind && g[0].Name == r.Name })
		if i < 0 {
			out = append(out, []health.Reference{r})
		} else {
			out[i] = append(out[i], r)
		}
	}
	return out
}
