// Command shipit-sandbox runs a real Kubernetes cluster and an OCI registry on this machine, with no Docker and no internet.
// One binary holds every component; it starts itself once for each, in processes of their own.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/shipit-dev/shipit/sandbox/components"
	"github.com/shipit-dev/shipit/sandbox/internal/cli"
	"github.com/shipit-dev/shipit/sandbox/internal/cluster"
	"github.com/shipit-dev/shipit/sandbox/internal/forward"
	"github.com/shipit-dev/shipit/sandbox/internal/layout"
	"github.com/shipit-dev/shipit/sandbox/internal/provision"
)

func main() {
	os.Exit(run(os.Args[1:]))
}

func run(args []string) int {
	if len(args) > 1 && args[0] == "component" {
		return runComponent(args[1], args[2:])
	}
	// A terminal that is closed is an interrupt: what a start had begun is ended again. A reader that goes away is none.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	return cli.Execute(ctx, args, cli.IO{
		Out: os.Stdout, Err: os.Stderr,
		Path: os.Getenv("PATH"),
		Roots: layout.Roots{
			SandboxHome: os.Getenv("SHIPIT_SANDBOX_HOME"),
			StateHome:   os.Getenv("XDG_STATE_HOME"),
			Home:        os.Getenv("HOME"),
			RuntimeDir:  os.Getenv("XDG_RUNTIME_DIR"),
			UID:         os.Geteuid(),
		},
	})
}

// runComponent is what this program does when it was started by itself.
func runComponent(name string, args []string) int {
	switch name {
	case "forwarder":
		return forward.Main(args, os.Stderr)
	case "provisioner":
		return provision.Main(args, os.Stderr)
	case "supervisor":
		return cluster.SuperviseMain(args, os.Getenv("PATH"), os.Stderr)
	}
	if main, ok := components.All()[name]; ok {
		return main(args)
	}
	_, _ = os.Stderr.WriteString("shipit-sandbox: no component is called " + name + "\n")
	return 2
}
