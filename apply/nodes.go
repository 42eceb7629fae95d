package apply

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shipit-dev/shipit/apply/health"
)

// Nodes gives the labels of each of the cluster's nodes, which say what they can
// run (kubernetes.io/os, kubernetes.io/arch) and where pods may be placed. It is
// nil for those who may not list nodes, as many may not.
func (c *Client) Nodes(ctx context.Context) []map[string]string {
	list, err := c.metadata.Resource(corev1.SchemeGroupVersion.WithResource("nodes")).List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return nil
	}
	var labels []map[string]string
	for _, n := range list.Items {
		labels = append(labels, n.Labels)
	}
	return labels
}

// listNodes takes the nodes from the API server's own copy.
func (c *Client) listNodes(ctx context.Context) ([]corev1.Node, error) {
	list, err := c.core.Nodes().List(ctx, metav1.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return nil, err
	}
	return list.Items, nil
}

// listNodes looks for the nodes. Who deploys to a namespace often may not: that is
// said only when all that can be is to be checked, and not at each deploy.
func (f *preflight) listNodes(ctx context.Context) {
	nodes, err := f.c.listNodes(ctx)
	err = f.c.typed(err, Ref{APIVersion: "v1", Kind: "Node"}, nil)
	f.mu.Lock()
	defer f.mu.Unlock()
	switch {
	case err == nil:
		f.nodes = nodes
	case isUnreachable(err) || ctx.Err() != nil:
		f.failed = err
	case f.unfilled:
		f.warned = append(f.warned, skipped("whether a node is fit for the pods", err))
	}
}

// needsNode reports whether pods of t are new and want a node, whichever it is.
func (t *podTemplate) needsNode() bool {
	return t.changed && t.replicas > 0 && t.ref.Kind != "DaemonSet"
}

// judgeNodes warns of pods that no node can ever take as the nodes are. It is no
// error, as a cluster may make nodes when they are wanted.
func (f *preflight) judgeNodes() {
	for _, t := range f.templates {
		if d := health.Unfit(t.pod(), f.nodes); d != nil && t.needsNode() {
			d = f.about(t, *d)
			f.warned = append(f.warned, Event{Kind: EventWarning, Unit: t.unit, Message: d.Message, Diagnosis: d})
		}
	}
}
