package forward

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/shipit-dev/shipit/sandbox/internal/namespace"
)

// networkFD is the file descriptor of the sandbox's network namespace, as its starter hands it over.
const networkFD = 3

// Main is the forwarder as a component: its arguments are the file of forwards and the control socket.
func Main(args []string, log io.Writer) int {
	if len(args) != 2 {
		fmt.Fprintln(log, "forwarder: want two arguments, FILE and SOCKET")
		return 2
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	network := namespace.OfNetwork(os.NewFile(networkFD, "network namespace"))
	if err := NewServer(network, args[0]).Serve(ctx, args[1]); err != nil {
		fmt.Fprintln(log, "forwarder:", err)
		return 1
	}
	return 0
}
