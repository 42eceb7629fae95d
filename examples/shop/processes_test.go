package shop_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"example.com/shop/internal/kit"
)

// processes are the services that run.
type processes struct {
	t       *testing.T
	dir     string
	urls    map[string]string // by service: where it listens, and will again
	running map[string]*process
	logs    map[string]*output
	secrets []string
}

type process struct {
	*exec.Cmd
	ended chan struct{} // closed when it has; its ProcessState tells how
}

// keepers have a token of the store.
var keepers = []string{"basket", "catalog", "identity", "notifications", "ordering", "payment"}

const signingKey = "the-key-of-this-test-alone"

// build compiles every service, once for all tests of this package.
func build(t *testing.T) *processes {
	t.Helper()
	s := &processes{t: t, dir: t.TempDir(), urls: map[string]string{}, running: map[string]*process{}, logs: map[string]*output{}, secrets: []string{signingKey}}
	must(t, os.Mkdir(filepath.Join(s.dir, "tokens"), 0o700))
	for _, name := range keepers {
		must(t, os.WriteFile(filepath.Join(s.dir, "tokens", name), []byte(token(name)), 0o600))
		s.secrets = append(s.secrets, token(name))
	}
	must(t, compile())
	t.Cleanup(func() {
		for name := range s.running {
			s.kill(name)
		}
	})
	return s
}

func TestMain(m *testing.M) {
	code := m.Run()
	if binaries != "" {
		os.RemoveAll(binaries)
	}
	os.Exit(code)
}

var binaries string

var compile = sync.OnceValue(func() error {
	var err error
	if binaries, err = os.MkdirTemp("", "shop"); err != nil {
		return err
	}
	build := exec.Command("go", "build", "-ldflags=-s -w", "-o", binaries+string(filepath.Separator), "./...")
	build.Stderr = os.Stderr
	return build.Run()
})

func token(service string) string { return "the-token-of-" + service }

// command is a service with what shipit would give it.
func (s *processes) command(name string, env ...string) *exec.Cmd {
	command := exec.Command(filepath.Join(binaries, name))
	command.Env = append([]string{"SHOP_DRAIN=0s"}, env...)
	return command
}

// env is all that any service is told; each reads what it knows.
func (s *processes) env(name string) []string {
	listen := strings.TrimPrefix(s.urls[name], "http://")
	if listen == "" {
		listen = "127.0.0.1:0"
	}
	env := []string{
		"LISTEN=" + listen, "STORE_TOKEN=" + token(name), "SIGNING_KEY=" + signingKey, "HASH_ROUNDS=1000", "PAYMENT_LIMIT=100000", "BANNER=A test",
		"STORE_DIR=" + filepath.Join(s.dir, "data"), "STORE_TOKENS=" + filepath.Join(s.dir, "tokens"), "SEED_FILE=conf/catalog.json",
	}
	for other, address := range s.urls {
		env = append(env, strings.ToUpper(other)+"_URL="+address)
	}
	return env
}

// start runs a service until it is ready. One that has run before gets the
// address that the others know.
func (s *processes) start(name string) {
	s.t.Helper()
	log := s.logs[name]
	if log == nil {
		log = &output{listening: make(chan string, 1)}
		s.logs[name] = log
	}
	command := s.command(name, s.env(name)...)
	command.Stderr = log
	must(s.t, command.Start())
	p := &process{command, make(chan struct{})}
	go func() {
		command.Wait() // how it ended is in its ProcessState
		close(p.ended)
	}()
	s.running[name] = p
	if s.urls[name] == "" {
		select {
		case addr := <-log.listening:
			s.urls[name] = "http://" + addr
		case <-p.ended:
			s.t.Fatalf("%s: %s\n%s", name, p.ProcessState, log)
		case <-time.After(10 * time.Second):
			s.t.Fatalf("%s does not listen:\n%s", name, log)
		}
	}
	eventually(s.t, name+" is ready", func() bool { return s.client(name).Get(s.t.Context(), "/readyz", nil) == nil })
}

// run runs a job to its good end.
func (s *processes) run(name string) {
	s.t.Helper()
	if output, err := s.command(name, s.env(name)...).CombinedOutput(); err != nil {
		s.t.Fatalf("%s: %v\n%s", name, err, output)
	}
}

// stop asks a service to stop, as Kubernetes does, and waits until it has.
func (s *processes) stop(name string) {
	s.t.Helper()
	p := s.end(name, syscall.SIGTERM)
	if !p.ProcessState.Success() {
		s.t.Errorf("%s: %s\n%s", name, p.ProcessState, s.log(name))
	}
}

// kill leaves a service no time for anything.
func (s *processes) kill(name string) { s.end(name, syscall.SIGKILL) }

func (s *processes) end(name string, signal syscall.Signal) *process {
	s.t.Helper()
	p := s.running[name]
	delete(s.running, name)
	must(s.t, p.Process.Signal(signal))
	select {
	case <-p.ended:
	case <-time.After(15 * time.Second):
		s.t.Fatalf("%s does not end:\n%s", name, s.log(name))
	}
	return p
}

func (s *processes) client(name string) *kit.Client { return kit.NewClient(name, s.urls[name]) }

func (s *processes) log(name string) string { return s.logs[name].String() }

// output is what a service logs, and where it says that it listens.
type output struct {
	mu        sync.Mutex
	text      bytes.Buffer
	listening chan string
}

var listeningLine = regexp.MustCompile(`msg=listening .*addr=(\S+)`)

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if found := listeningLine.FindSubmatch(p); found != nil {
		select {
		case o.listening <- string(found[1]):
		default: // it is known already
		}
	}
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(10 * time.Second); !is(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not after 10 seconds: %s", what)
		}
	}
}
