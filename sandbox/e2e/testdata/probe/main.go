// Command probe runs in the pods of the sandbox's tests: it serves HTTP, or does one thing inside a pod and says what came of it.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) == 0 {
		return serve()
	}
	switch args[0] {
	case "lookup":
		addresses, err := net.LookupHost(args[1])
		fmt.Println(addresses)
		return err
	case "write":
		return os.WriteFile(args[1], []byte(args[2]), 0o644)
	case "read":
		data, err := os.ReadFile(args[1])
		fmt.Print(string(data))
		return err
	case "dial":
		conn, err := net.Dial("tcp", args[1])
		if err != nil {
			return err
		}
		return conn.Close()
	}
	return fmt.Errorf("unknown: %s", args[0])
}

func serve() error {
	fmt.Println("probe is serving")
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	go func() {
		<-stop
		os.Exit(0)
	}()
	return http.ListenAndServe(":8080", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, "hello")
	}))
}
