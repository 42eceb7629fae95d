package apply

import (
	"fmt"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"k8s.io/client-go/dynamic"
	appsv1 "k8s.io/client-go/kubernetes/typed/apps/v1"
	authorizationv1 "k8s.io/client-go/kubernetes/typed/authorization/v1"
	coordinationv1 "k8s.io/client-go/kubernetes/typed/coordination/v1"
	corev1 "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"

	"github.com/shipit-dev/shipit/internal/mask"
)

// Owner is who the objects belong to. App and Namespace make the field manager;
// Source is the project the services came from (a module path), and By is shown
// to whoever finds the lock held ("ann@laptop"; may be empty). Version is
// shipit's own: every record says which one wrote it.
type Owner struct {
	App, Namespace, Source, By, Version string
}

// Manager is the field manager of server-side apply.
func (o Owner) Manager() string { return "shipit/" + o.Namespace + "/" + o.App }

// Client talks to one cluster for one owner. It is safe for concurrent use.
type Client struct {
	owner    Owner
	host     string
	times    leaseTimes
	kinds    *kinds
	dyn      dynamic.Interface
	metadata metadata.Interface
	core     corev1.CoreV1Interface
	apps     appsv1.AppsV1Interface
	leases   coordinationv1.LeaseInterface
	secrets  *mask.Masker // what is said and recorded has no values of secrets
	deployed *atomic.Bool // those of the app are known
	access   authorizationv1.AuthorizationV1Interface
}

// New makes a client; it does not connect. The configuration is copied, and its
// rate limit is lifted: the API server's own priority and fairness is what
// limits us.
func New(cfg *rest.Config, owner Owner) (*Client, error) {
	if owner.App == "" || owner.Namespace == "" {
		return nil, fmt.Errorf("apply: an owner needs an app and a namespace")
	}
	cfg = rest.CopyConfig(cfg)
	cfg.QPS, cfg.Burst, cfg.RateLimiter = -1, 0, nil
	cfg.WarningHandlerWithContext = warnings{}
	if cfg.Dial == nil {
		// client-go waits 30 s for a host that does not answer at all.
		cfg.Dial = (&net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}).DialContext
	}
	if cfg.UserAgent == "" {
		cfg.UserAgent = "shipit"
	}
	// The fence is the innermost, whatever else there is: it looks last.
	cfg.WrapTransport = transport.Wrappers(func(next http.RoundTripper) http.RoundTripper { return sent{fence{next}} }, cfg.WrapTransport)
	c := &Client{owner: owner, host: mask.WithoutUser(cfg.Host), times: usualLease(), secrets: &mask.Masker{}, deployed: new(atomic.Bool)}
	c.knowConfig(cfg)
	h, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, fmt.Errorf("client configuration: %w", c.masked(err))
	}
	if cfg.ExecProvider != nil {
		h.Transport = plugged{h.Transport, cfg.ExecProvider.Command, pluginWithin}
	}
	// Patience is the outermost: asking again, it has credentials that were renewed.
	h.Transport = &patience{next: bounded{h.Transport, answerWithin}}
	if err := c.connect(cfg, h); err != nil {
		return nil, c.masked(err)
	}
	return c, nil
}

// connect makes the clients of the API groups. It does not talk to the server.
func (c *Client) connect(cfg *rest.Config, h *http.Client) (err error) {
	if c.kinds, err = newKinds(cfg, h); err != nil {
		return err
	}
	if c.dyn, err = dynamic.NewForConfigAndClient(cfg, h); err != nil {
		return err
	}
	if c.metadata, err = metadata.NewForConfigAndClient(cfg, h); err != nil {
		return err
	}
	if c.core, err = corev1.NewForConfigAndClient(cfg, h); err != nil {
		return err
	}
	if c.apps, err = appsv1.NewForConfigAndClient(cfg, h); err != nil {
		return err
	}
	if c.access, err = authorizationv1.NewForConfigAndClient(cfg, h); err != nil {
		return err
	}
	coordination, err := coordinationv1.NewForConfigAndClient(cfg, h)
	if err != nil {
		return err
	}
	c.leases = coordination.Leases(c.owner.Namespace)
	return nil
}
