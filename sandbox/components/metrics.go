package components

import (
	"github.com/spf13/cobra"
	genericapiserver "k8s.io/apiserver/pkg/server"
	metricsserver "sigs.k8s.io/metrics-server/cmd/metrics-server/app"
)

// metricsServer is the command of metrics-server, which does not name itself.
func metricsServer() *cobra.Command {
	cmd := metricsserver.NewMetricsServerCommand(genericapiserver.SetupSignalHandler())
	cmd.Use = "metrics-server"
	return cmd
}
