package cluster

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/shipit-dev/shipit/sandbox/internal/layout"
)

// UpOptions are choices of the first start. Later ones keep them.
type UpOptions struct {
	// ControlPlaneOnly leaves the node out: no pod runs.
	ControlPlaneOnly bool
	// APIPort and RegistryPort are loopback ports of the host; 0 chooses free ones.
	APIPort, RegistryPort int
}

// Up makes the sandbox run: from nothing, from data that an earlier run left, or by starting the components that are
// missing. One that is healthy is not touched, which changed == false tells. When it fails, nothing is left running.
//
// Errors: *Unready before anything was started, *ComponentError for a component that does not work.
func Up(ctx context.Context, l layout.Layout, path string, opts UpOptions, progress func(Event)) (c *Cluster, changed bool, err error) {
	held, err := lock(ctx, l)
	if err != nil {
		return nil, false, err
	}
	defer held.Close()
	started := time.Now()
	say := func(format string, args ...any) {
		progress(Event{Message: fmt.Sprintf(format, args...), Elapsed: time.Since(started)})
	}
	if c, err = prepare(l, path, opts); err != nil {
		return nil, false, err
	}
	if c.healthy(ctx) == nil {
		return c, false, nil
	}
	if err := c.preflight(); err != nil {
		return nil, false, err
	}
	if err := c.bringUp(ctx, say); err != nil {
		err = errors.Join(err, c.stop(context.WithoutCancel(ctx)))
		c.Close()
		return nil, false, err
	}
	return c, true, nil
}

// prepare reads the settings of the sandbox, or chooses them.
func prepare(l layout.Layout, path string, opts UpOptions) (*Cluster, error) {
	settings, err := readSettings(l.Settings())
	if errors.Is(err, ErrAbsent) {
		settings, err = newSettings(l.Base, opts)
	}
	if err != nil {
		return nil, err
	}
	if settings.Node && opts.ControlPlaneOnly {
		return nil, &Unready{
			Problem: fmt.Sprintf("sandbox %s has a node, and this asks for a control plane only", l.Name),
			Hint:    "take it down first, or use another name; as another user than root, use another SHIPIT_SANDBOX_HOME",
		}
	}
	if opts.APIPort != 0 {
		settings.APIPort = opts.APIPort
	}
	if opts.RegistryPort != 0 {
		settings.RegistryPort = opts.RegistryPort
	}
	if settings.RegistryPassword == "" { // it is new, or of an older program
		settings.RegistryPassword = rand.Text()
	}
	c := newCluster(l, settings, path)
	return c, c.join()
}

// healthy asks every component at once and returns nil when the sandbox needs nothing.
func (c *Cluster) healthy(ctx context.Context) error {
	if c.api == nil || c.settings.Node && c.ns == nil {
		return errors.New("not running")
	}
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	group, ctx := errgroup.WithContext(ctx)
	for _, comp := range c.components() {
		if _, err := c.running(comp.name); err != nil {
			return fmt.Errorf("%s: %w", comp.name, err)
		}
		if !comp.background {
			group.Go(func() error { return comp.healthy(ctx) })
		}
	}
	if c.settings.Node {
		group.Go(func() error { return c.nodeReady(ctx) })
	}
	return group.Wait()
}

// preflight finds everything that would make a start fail, before anything is started or written.
func (c *Cluster) preflight() error {
	if c.settings.Node {
		if os.Geteuid() != 0 {
			return &Unready{Problem: "sandbox " + c.layout.Name + " has a node, which only root can start", Hint: "use sudo"}
		}
		var err error
		if c.tools, err = findTools(c.path); err != nil {
			return err
		}
		if err := checkKernel(); err != nil {
			return err
		}
	}
	if err := checkDisk(c.layout.Base); err != nil {
		return err
	}
	api, registry := apiServerName, registryName
	if c.settings.Node {
		api, registry = forwarderName, forwarderName
	}
	if _, err := c.running(api); err != nil {
		if err := c.checkPort("API server", "--api-port", c.settings.APIPort); err != nil {
			return err
		}
	}
	if _, err := c.running(registry); err != nil {
		return c.checkPort("registry", "--registry-port", c.settings.RegistryPort)
	}
	return nil
}

func (c *Cluster) bringUp(ctx context.Context, say func(string, ...any)) error {
	for _, dir := range []string{c.layout.Home, c.layout.Run, c.layout.Data(""), filepath.Dir(c.layout.Log(""))} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	}
	if err := c.settings.write(c.layout.Settings()); err != nil {
		return err
	}
	if err := c.ensurePKI(); err != nil {
		return err
	}
	if err := c.writeConfig(); err != nil {
		return err
	}
	if !c.settings.Node {
		return c.bringUpControlPlane(ctx, say)
	}
	return c.bringUpNode(ctx, say)
}

func (c *Cluster) bringUpControlPlane(ctx context.Context, say func(string, ...any)) error {
	if err := c.join(); err != nil {
		return err
	}
	say("starting etcd and the registry")
	if err := c.ensure(ctx, c.etcd(), c.registry()); err != nil {
		return err
	}
	say("starting the API server")
	if err := c.ensure(ctx, c.apiServer()); err != nil {
		return err
	}
	say("starting controller manager and scheduler")
	if err := c.ensure(ctx, c.controllerManager(), c.scheduler(), c.supervisor()); err != nil {
		return err
	}
	return c.awaitUsable(ctx)
}

func (c *Cluster) bringUpNode(ctx context.Context, say func(string, ...any)) error {
	if err := c.group.Create(); err != nil {
		return err
	}
	if err := c.ensureNamespaces(ctx); err != nil {
		return err
	}
	say("starting etcd, the registry and containerd")
	if err := c.ensure(ctx, c.etcd(), c.registry(), c.forwarder(), c.containerd()); err != nil {
		return err
	}
	if err := c.pushPause(ctx); err != nil {
		return err
	}
	say("starting the API server")
	if err := c.ensure(ctx, c.apiServer()); err != nil {
		return err
	}
	say("starting controller manager, scheduler and kubelet")
	if err := c.ensure(ctx, c.controllerManager(), c.scheduler(), c.kubelet(), c.proxy()); err != nil {
		return err
	}
	if err := c.applyManifests(ctx); err != nil {
		return err
	}
	say("starting DNS, volumes and metrics")
	if err := c.ensure(ctx, c.dns(), c.provisioner(), c.metrics(), c.supervisor()); err != nil {
		return err
	}
	say("waiting for the node")
	if err := c.awaitNode(ctx); err != nil {
		return err
	}
	return c.awaitUsable(ctx)
}

// ensureNamespaces joins the namespaces that a component still lives in, or clears away what is left of them (pods whose
// shims were killed, a forwarder into a network that is gone) and makes new ones.
func (c *Cluster) ensureNamespaces(ctx context.Context) error {
	if err := c.join(); err != nil {
		return err
	}
	if c.ns != nil {
		return c.ensure(ctx, c.holder())
	}
	if err := c.stop(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(c.layout.Run, 0o700); err != nil {
		return err
	}
	if err := c.group.Create(); err != nil {
		return err
	}
	return c.createNode()
}

func (c *Cluster) awaitNode(ctx context.Context) error {
	err := retry(ctx, patience, func() (bool, error) {
		if _, err := c.running(kubeletName); err != nil {
			return false, errors.New("ended while starting")
		}
		err := c.nodeReady(ctx)
		if err == nil {
			err = c.podsKnown(ctx)
		}
		return err != nil, err
	})
	if err != nil {
		return c.componentError(kubeletName, fmt.Errorf("the node is not ready: %w", err))
	}
	err = retry(ctx, patience, func() (bool, error) {
		err := c.dnsAnswers(ctx)
		return err != nil, err
	})
	if err != nil {
		return c.componentError(dnsName, fmt.Errorf("DNS does not answer: %w", err))
	}
	return nil
}

// awaitUsable waits for what the controllers put into the default namespace, without which a pod is refused.
func (c *Cluster) awaitUsable(ctx context.Context) error {
	for _, path := range []string{
		"/api/v1/namespaces/default/serviceaccounts/default",
		"/api/v1/namespaces/default/configmaps/kube-root-ca.crt",
	} {
		err := retry(ctx, patience, func() (bool, error) {
			err := c.api.get(ctx, path, nil)
			return err != nil, err
		})
		if err != nil {
			return c.componentError(controllerManagerName, fmt.Errorf("%s is missing: %w", path, err))
		}
	}
	return nil
}
