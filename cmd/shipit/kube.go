package main

import (
	"strings"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// kubeFlags are those of kubectl's flags that do not only say again what a
// kubeconfig says, named and meant as there. They are written out here, as the
// package of kubectl's that has them brings in Kustomize, and a third of the
// program's size with it.
type kubeFlags struct {
	kubeconfig, context, namespace, as, timeout string
	asGroups, asExtra                           []string
}

func (f *kubeFlags) add(flags *pflag.FlagSet) {
	flags.StringVar(&f.kubeconfig, "kubeconfig", "", "Path to the kubeconfig file to use for CLI requests.")
	flags.StringVar(&f.context, "context", "", "The name of the kubeconfig context to use")
	flags.StringVarP(&f.namespace, "namespace", "n", "", "the namespace (instead of the app's)")
	flags.StringVar(&f.as, "as", "", "Username to impersonate for the operation. User could be a regular user or a service account in a namespace.")
	flags.StringArrayVar(&f.asGroups, "as-group", nil, "Group to impersonate for the operation, this flag can be repeated to specify multiple groups.")
	flags.StringArrayVar(&f.asExtra, "as-user-extra", nil, "User extras to impersonate for the operation, this flag can be repeated to specify multiple values for the same key.")
	flags.StringVar(&f.timeout, "request-timeout", "0", "The length of time to wait before giving up on a single server request. Non-zero values should contain a corresponding time unit (e.g. 1s, 2m, 3h). A value of zero means don't timeout requests.")
}

// loader reads the kubeconfig that the flags, KUBECONFIG or the home directory
// name, with what the flags say laid over it.
func (f *kubeFlags) loader() clientcmd.ClientConfig {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = f.kubeconfig
	rules.DefaultClientConfig = &clientcmd.DefaultClientConfig
	overrides := &clientcmd.ConfigOverrides{ClusterDefaults: clientcmd.ClusterDefaults, CurrentContext: f.context, Timeout: f.timeout}
	overrides.Context.Namespace = f.namespace
	overrides.AuthInfo.Impersonate = f.as
	overrides.AuthInfo.ImpersonateGroups = f.asGroups
	overrides.AuthInfo.ImpersonateUserExtra = f.extra()
	return clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, overrides)
}

// extra are the values of --as-user-extra by their keys.
func (f *kubeFlags) extra() map[string][]string {
	var out map[string][]string
	for _, extra := range f.asExtra {
		key, value, ok := strings.Cut(extra, "=")
		if !ok {
			continue
		}
		if out == nil {
			out = map[string][]string{}
		}
		out[key] = append(out[key], value)
	}
	return out
}

// over lays what the flags say of requests over a config that comes from elsewhere:
// a sandbox's.
func (f *kubeFlags) over(config *rest.Config) error {
	timeout, err := clientcmd.ParseTimeout(f.timeout)
	config.Timeout = timeout
	config.Impersonate = rest.ImpersonationConfig{UserName: f.as, Groups: f.asGroups, Extra: f.extra()}
	return err
}
