// Package components holds the programs that a sandbox is made of: etcd, the Kubernetes components, metrics-server, CoreDNS and the OCI
// registry, each started by name in a process of its own. It is the only package that links them, so that everything else
// in this module compiles and tests without them.
package components

import (
	"context"
	"os"
	_ "time/tzdata" // time zones of CronJobs

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"          // --logging-format=json
	_ "k8s.io/component-base/metrics/prometheus/clientgo" // client metrics
	_ "k8s.io/component-base/metrics/prometheus/version"  // version metric
	kubeapiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	kubecontrollermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	kubeproxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	kubescheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// Main is the entry point of a component: it runs until it is told to stop and returns the exit code.
type Main func(args []string) int

// All returns every component by the name it is started with.
func All() map[string]Main {
	return map[string]Main{
		"etcd":                    etcd,
		"kube-apiserver":          kube(kubeapiserver.NewAPIServerCommand),
		"kube-controller-manager": kube(kubecontrollermanager.NewControllerManagerCommand),
		"kube-scheduler":          kube(func() *cobra.Command { return kubescheduler.NewSchedulerCommand() }),
		"kubelet":                 kube(func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) }),
		"kube-proxy":              kube(kubeproxy.NewProxyCommand),
		"metrics-server":          kube(metricsServer),
		"coredns":                 coreDNS,
		"registry":                registry,
	}
}

// kube runs a Kubernetes component as its own main function does. Some of them read os.Args or look at their own name, so
// the arguments are put where they expect them.
func kube(command func() *cobra.Command) Main {
	return func(args []string) int {
		cmd := command()
		os.Args = append([]string{cmd.Name()}, args...)
		cmd.SetArgs(args)
		return cli.Run(cmd)
	}
}

// etcd's main reads its flags from the slice it is given and exits the process itself when it fails.
func etcd(args []string) int {
	os.Args = append([]string{"etcd"}, args...)
	etcdmain.Main(os.Args)
	return 0
}
