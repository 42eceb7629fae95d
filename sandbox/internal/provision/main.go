package provision

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// Main is the provisioner as a component. Its arguments are a kubeconfig, the node's name, the folder that holds the volumes,
// and the address at which it tells its health.
func Main(args []string, log io.Writer) int {
	if len(args) != 4 {
		fmt.Fprintln(log, "provisioner: want four arguments, KUBECONFIG, NODE, FOLDER and ADDRESS")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	if err := run(ctx, args[0], args[1], args[2], args[3], log); err != nil {
		fmt.Fprintln(log, "provisioner:", err)
		return 1
	}
	return 0
}

func run(ctx context.Context, kubeconfig, node, dir, address string, log io.Writer) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	var ready atomic.Bool
	server := &http.Server{ReadHeaderTimeout: 5 * time.Second, Handler: http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) {
			if !ready.Load() {
				http.Error(w, "still reading what there is", http.StatusServiceUnavailable)
			}
		})}
	go func() { _ = server.Serve(listener) }() // ends with Close
	defer func() { _ = server.Close() }()
	return New(client, node, dir, log).Run(ctx, func() { ready.Store(true) })
}
