package chaos

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/shipit-dev/shipit/internal/invariant"
	"github.com/shipit-dev/shipit/internal/testimage"
)

var itoa = strconv.Itoa

func check(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// cluster is what all lanes share.
type cluster struct {
	cfg     *rest.Config
	dyn     dynamic.Interface
	image   string
	program string
	home    string
}

func theCluster(t *testing.T) *cluster {
	t.Helper()
	kubeconfig, registry := os.Getenv("SHIPIT_TEST_KUBECONFIG"), os.Getenv("SHIPIT_TEST_REGISTRY")
	if kubeconfig == "" || registry == "" {
		if os.Getenv("SHIPIT_REQUIRE_NODE") == "1" {
			t.Fatal("SHIPIT_TEST_KUBECONFIG and SHIPIT_TEST_REGISTRY must name a cluster")
		}
		t.Skip("SHIPIT_TEST_KUBECONFIG and SHIPIT_TEST_REGISTRY name no cluster")
	}
	c := &cluster{program: filepath.Join(t.TempDir(), "shipit"), home: t.TempDir()}
	var err error
	c.cfg, err = clientcmd.BuildConfigFromFlags("", kubeconfig)
	check(t, err)
	c.cfg.QPS = -1
	c.dyn, err = dynamic.NewForConfig(c.cfg)
	check(t, err)
	c.image, err = testimage.Push(t.Context(), registry, "chaos")
	check(t, err)
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", c.program, "../../cmd/shipit").CombinedOutput()
	if err != nil {
		t.Fatalf("building shipit: %v\n%s", err, out)
	}
	return c
}

// lane is a namespace and a project in which cases run one after the other.
type lane struct {
	*cluster
	namespace string
	dir       string
	version   int // the last that was tried
}

var namespaces = schema.GroupVersionResource{Version: "v1", Resource: "namespaces"}

func (c *cluster) lane(t *testing.T) *lane {
	t.Helper()
	var b [3]byte
	_, _ = rand.Read(b[:])
	l := &lane{cluster: c, namespace: "chaos-" + hex.EncodeToString(b[:]), dir: t.TempDir()}
	ns := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "v1", "kind": "Namespace", "metadata": map[string]any{"name": l.namespace}}}
	_, err := c.dyn.Resource(namespaces).Create(t.Context(), ns, metav1.CreateOptions{})
	check(t, err)
	t.Cleanup(func() {
		if err := c.dyn.Resource(namespaces).Delete(context.Background(), l.namespace, metav1.DeleteOptions{}); err != nil {
			t.Error(err)
		}
	})
	check(t, os.MkdirAll(filepath.Join(l.dir, "cue.mod"), 0o755))
	check(t, os.WriteFile(filepath.Join(l.dir, "cue.mod", "module.cue"), []byte("module: \"chaos.example\"\nlanguage: version: \"v0.17.0\"\n"), 0o644))
	return l
}

// nowhere is a digest that no registry has.
const nowhere = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// write writes the app in a version: db changes with it, and has no pods, so that a case
// takes a second; web runs, and nothing that is tried may touch its pod. In a bad
// version web's next image is not there. db goes first.
func (l *lane) write(t *testing.T, version int, bad bool) {
	t.Helper()
	web, image := "", l.image
	if bad {
		web, image = itoa(version), l.image[:len(l.image)-len(nowhere)]+nowhere
	}
	check(t, os.WriteFile(filepath.Join(l.dir, "app.cue"), fmt.Appendf(nil, `package chaos

import "shipit.dev/v1"

v1.#App & {
	name: "chaos"
	services: db: {
		image:    %q
		replicas: 0
		ports: http: 8080
		config: app: version: "%d"
		env: {VERSION: "%[2]d", FROM: config: "app/version"}
	}
	services: web: {
		image: %q
		ports: http: 8080
		needs: db: {}
		probes: readiness: {http: "/readyz", periodSeconds: 1}
		resources: {cpu: "1m", memory: "32Mi"}
		env: TRIED: %q
	}
}
`, l.image, version, image, web), 0o644))
}

// look reads what is there, again until nothing is wrong with it, or it stays so: a
// controller may be a moment behind.
func (l *lane) look(t *testing.T, wrong func(s *invariant.State) []string) (*invariant.State, []string) {
	t.Helper()
	const patience = 30 * time.Second
	for start := time.Now(); ; time.Sleep(100 * time.Millisecond) {
		s, err := invariant.Look(t.Context(), l.dyn, l.namespace, "chaos")
		check(t, err)
		if found := wrong(s); len(found) == 0 || time.Since(start) > patience {
			return s, found
		}
	}
}

// results are of all cases, for the table.
type results struct {
	mu    sync.Mutex
	cases []result
}

type result struct {
	column, fault, name string // of the table; the case's
	end                 end
	wrong               []string
	took                time.Duration
}

func (rs *results) add(r result) {
	rs.mu.Lock()
	defer rs.mu.Unlock()
	rs.cases = append(rs.cases, r)
}
