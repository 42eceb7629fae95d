package apply

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Cluster gives what tells the cluster from all others, whatever it is called: the
// UID of its namespace kube-system, which lives as long as the cluster.
func (c *Client) Cluster(ctx context.Context) (string, error) {
	const system = "kube-system"
	ns, err := c.core.Namespaces().Get(ctx, system, metav1.GetOptions{})
	if err != nil {
		return "", c.typed(err, Ref{APIVersion: "v1", Kind: "Namespace", Name: system}, nil)
	}
	return string(ns.UID), nil
}

// Reach reads the app's state, and so finds out early whether the API server
// answers, and lets its caller deploy: before what takes long is done for nothing.
func (c *Client) Reach(ctx context.Context) error {
	_, err := store{c}.read(patient(quiet(ctx)))
	return err
}

// Protected is the protected environment that the app was deployed to last, "" if
// that was none: for who has no project to ask.
func (c *Client) Protected(ctx context.Context) (string, error) {
	snap, err := store{c}.read(quiet(ctx))
	if err != nil {
		return "", err
	}
	return snap.Protected, nil
}
