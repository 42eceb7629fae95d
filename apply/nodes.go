package apply

import (
	"context"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
