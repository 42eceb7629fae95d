package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/user"
	"slices"

	"github.com/spf13/cobra"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/internal/deploy"
	"github.com/shipit-dev/shipit/internal/mask"
	"github.com/shipit-dev/shipit/schema"
)

// clusterFlags say which cluster a command talks to: the usual kube flags, or a
// sandbox.
type clusterFlags struct {
	kube    kubeFlags
	sandbox string
	start   bool // a sandbox that is not there; who only looks has nothing to see in a new one
}

func (f *clusterFlags) add(cmd *cobra.Command) {
	f.kube.add(cmd.Flags())
	files(cmd, "kubeconfig")
	completeFlag(cmd, "context", contextNames)
	addSandbox(cmd, &f.sandbox, "use the cluster and registry of this sandbox (deploy starts it when needed)")
}

// addSandbox adds the flag that names a sandbox, or means the default one.
func addSandbox(cmd *cobra.Command, name *string, usage string) {
	cmd.Flags().StringVar(name, "sandbox", "", usage)
	cmd.Flags().Lookup("sandbox").NoOptDefVal = defaultSandbox
	completeFlag(cmd, "sandbox", sandboxNames)
}

// namespace is what -n says, or "".
func (f *clusterFlags) namespace() string { return f.kube.namespace }

// target is a cluster, and what comes with it when it is a sandbox.
type target struct {
	config   *rest.Config
	label    string // what to call it: a context, or a sandbox
	registry string // a sandbox's own registry, host:port
	logins   []byte // for it, as a Docker config.json
}

// connect finds the cluster for app: what the flags say, else the context of
// the app's environment. It does not talk to it, but may start a sandbox.
func (f *clusterFlags) connect(ctx context.Context, s streams, app *schema.App) (*target, error) {
	if f.sandbox != "" {
		t, err := sandboxTarget(ctx, s, f.sandbox, f.start)
		if err == nil {
			err = f.kube.over(t.config)
		}
		return t, err
	}
	kube := f.kube // the next environment may have another context
	kube.context = cmp.Or(kube.context, app.Context)
	loader := kube.loader()
	raw, err := loader.RawConfig()
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", err)
	}
	if api.IsConfigEmpty(&raw) {
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, f.named(app, &noClusterError{loader.ConfigAccess().GetLoadingPrecedence(), kube.context})
		}
		return &target{config: config, label: "this cluster"}, nil
	}
	if kube.context != "" && raw.Contexts[kube.context] == nil {
		return nil, f.named(app, &noContextError{kube.context, readable(loader.ConfigAccess().GetLoadingPrecedence()), slices.Collect(maps.Keys(raw.Contexts))})
	}
	if kube.context == "" && raw.Contexts[raw.CurrentContext] == nil && os.Getenv("KUBERNETES_MASTER") == "" {
		return nil, &noContextError{raw.CurrentContext, readable(loader.ConfigAccess().GetLoadingPrecedence()), slices.Collect(maps.Keys(raw.Contexts))}
	}
	config, err := loader.ClientConfig()
	if clientcmd.IsEmptyConfig(err) {
		err = errIncomplete
	}
	if err != nil {
		return nil, fmt.Errorf("reading the kubeconfig: %w", withoutUsers(err, &raw))
	}
	if err := plugged(config); err != nil {
		return nil, err
	}
	return &target{config: config, label: "context " + cmp.Or(kube.context, raw.CurrentContext)}, nil
}

// withoutUsers is err without what the addresses of a kubeconfig authenticate with.
func withoutUsers(err error, config *api.Config) error {
	var secrets mask.Masker
	for _, c := range config.Clusters {
		secrets.AddURL(c.Server)
		secrets.AddURL(c.ProxyURL)
	}
	if said := secrets.Text(err.Error()); said != err.Error() {
		return errors.New(said)
	}
	return err
}

// errIncomplete is a kubeconfig that does not lead to a cluster.
var errIncomplete = errors.New("it is incomplete: no cluster is named by its current context, or by --context")

// client makes the engine's client for app on t, which must be the cluster that the
// app's environment says it is in. A sandbox that is asked for is none of those that
// an environment may mean.
func (t *target) client(ctx context.Context, app *schema.App) (*apply.Client, error) {
	client, err := apply.New(t.config, apply.Owner{App: app.Name, Namespace: app.Namespace, Source: app.Source, By: whoami(), Version: version})
	if err != nil || app.Cluster == "" || t.registry != "" {
		return client, err
	}
	uid, err := client.Cluster(ctx)
	if err == nil && uid == app.Cluster {
		return client, nil
	}
	path := "environments." + app.Environment + ".cluster"
	if err == nil {
		err = hinted{
			fmt.Errorf("%s leads to the cluster %s, not to this one", t.label, uid),
			"name the context of this cluster; if the cluster was made anew, write cluster: \"" + uid + "\"",
		}
	} else {
		err = fmt.Errorf("telling which cluster %s leads to: %w", t.label, err)
	}
	return nil, &deploy.PlacedError{Pos: app.Position(path), Path: path, Err: err}
}

// whoami is what somebody who waits for our lock gets to read.
func whoami() string {
	host, _ := os.Hostname()
	name := os.Getenv("USER")
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	return name + "@" + host
}
