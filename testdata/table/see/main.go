// See says what a container sees, so that a test can tell whether what was written
// in CUE has arrived.
//
//	see serve [HTTP] [UDP] [GRPC]  answers on these addresses, over HTTP:
//	    /env/NAME   a variable    /file/PATH  a file: mode, owner, content
//	    /id         user, groups, what may be done; /pods  what the API server says
//	    /write/PATH writes a file
//	see print WHAT...              prints answers to such paths, and ends
//	see write PATH TEXT            appends a line to a file
//	see exists PATH                fails when there is no such file
//	see udp ADDRESS                asks over UDP
package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	args := append(os.Args, "", "", "", "")
	var err error
	switch args[1] {
	case "serve":
		err = serve(args[2], args[3], args[4])
	case "print":
		for _, what := range os.Args[2:] {
			answer := httptest.NewRecorder()
			look(answer, httptest.NewRequest(http.MethodGet, what, nil))
			fmt.Println(what, "=", strings.TrimSpace(answer.Body.String()))
		}
	case "write":
		err = write(args[2], args[3])
	case "exists":
		_, err = os.Stat(args[2])
	case "udp":
		err = udp(args[2])
	default:
		err = fmt.Errorf("what is %q?", args[1])
	}
	if err != nil {
		fmt.Println("fatal:", err)
		os.Exit(1)
	}
}

func serve(web, datagrams, health string) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if datagrams != "" {
		conn, err := net.ListenPacket("udp", datagrams)
		if err != nil {
			return err
		}
		go echo(conn)
	}
	if health != "" {
		server := &http.Server{Addr: health, Handler: http.HandlerFunc(healthy), Protocols: new(http.Protocols)}
		server.Protocols.SetUnencryptedHTTP2(true)
		go func() { fmt.Println(server.ListenAndServe()) }()
	}
	server := &http.Server{Addr: web, Handler: http.HandlerFunc(look)}
	go func() {
		<-ctx.Done()
		_ = server.Shutdown(context.Background())
	}()
	err := server.ListenAndServe()
	if ctx.Err() != nil {
		return nil
	}
	return err
}

func echo(conn net.PacketConn) {
	for buf := make([]byte, 512); ; {
		n, from, err := conn.ReadFrom(buf)
		if err != nil {
			return
		}
		_, _ = conn.WriteTo(append([]byte("heard "), buf[:n]...), from)
	}
}

// healthy is SERVING in grpc.health.v1, for any service.
func healthy(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/grpc")
	w.Header().Set("Trailer", "Grpc-Status")
	_, _ = w.Write([]byte{0, 0, 0, 0, 2, 8, 1})
	w.Header().Set("Grpc-Status", "0")
}

func udp(address string) error {
	conn, err := net.Dial("udp", address)
	if err != nil {
		return err
	}
	for range 20 { // a datagram may be lost
		_ = conn.SetDeadline(time.Now().Add(time.Second))
		_, _ = conn.Write([]byte("hello"))
		buf := make([]byte, 512)
		if n, err := conn.Read(buf); err == nil {
			fmt.Printf("udp: %s\n", buf[:n])
			return nil
		}
	}
	return fmt.Errorf("nothing from %s", address)
}

func write(path, text string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err == nil {
		_, err = fmt.Fprintln(f, text)
	}
	return err
}

func look(w http.ResponseWriter, r *http.Request) {
	what, rest, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	var text string
	var err error
	switch what {
	case "env":
		value, ok := os.LookupEnv(rest)
		if text = value; !ok {
			text = "not set"
		}
	case "file":
		text, err = file("/" + rest)
	case "write":
		err = write("/"+rest, "written")
		text = "written"
	case "id":
		text, err = id()
	case "pods":
		text, err = pods()
	case "":
		text = "here"
	default:
		err = os.ErrNotExist
	}
	if err != nil {
		text = "error: " + err.Error()
	}
	fmt.Fprintln(w, text)
}

func file(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	owner := info.Sys().(*syscall.Stat_t)
	head := fmt.Sprintf("%s %d:%d ", info.Mode(), owner.Uid, owner.Gid)
	if info.IsDir() {
		var fs syscall.Statfs_t
		err := syscall.Statfs(path, &fs)
		return fmt.Sprintf("%sfilesystem %x", head, fs.Type), err
	}
	data, err := os.ReadFile(path)
	return head + string(data), err
}

// id is who the process is, and what Linux lets it do.
func id() (string, error) {
	groups, err := os.Getgroups()
	if err != nil {
		return "", err
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	status, err := os.ReadFile("/proc/self/status")
	out := fmt.Sprintf("user %d group %d groups %v dir %s", os.Getuid(), os.Getgid(), groups, dir)
	for line := range bytes.Lines(status) {
		name, value, _ := strings.Cut(strings.TrimSpace(string(line)), ":")
		switch name {
		case "CapEff", "NoNewPrivs", "Seccomp":
			out += " " + name + " " + strings.TrimSpace(value)
		}
	}
	return out, err
}

// pods asks the API server with the token of the pod.
func pods() (string, error) {
	const dir = "/var/run/secrets/kubernetes.io/serviceaccount/"
	token, err := os.ReadFile(dir + "token")
	if err != nil {
		return "", err
	}
	ca, err := os.ReadFile(dir + "ca.crt")
	if err != nil {
		return "", err
	}
	namespace, err := os.ReadFile(dir + "namespace")
	if err != nil {
		return "", err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	client := http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}}}
	var out string
	for _, what := range []string{"pods", "secrets"} {
		req, err := http.NewRequest(http.MethodGet, "https://kubernetes.default.svc/api/v1/namespaces/"+string(namespace)+"/"+what, nil)
		if err != nil {
			return "", err
		}
		req.Header.Set("Authorization", "Bearer "+string(token))
		resp, err := client.Do(req)
		if err != nil {
			return "", err
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		out += fmt.Sprintf("%s: %d ", what, resp.StatusCode)
	}
	return out, nil
}
