package render

import (
	"k8s.io/utils/ptr"

	"github.com/shipit-dev/shipit/schema"
)

const (
	digestA = "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	digestB = "sha256:bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
)

// hello is the smallest app that serves.
func hello() (*schema.App, Options) {
	return &schema.App{
		Name:      "hello",
		Namespace: "hello",
		Services: []*schema.Service{{
			Name:     "hello",
			Build:    &schema.Build{Go: "."},
			Replicas: 2,
			Ports:    []schema.Port{{Name: "http", Port: 8080}},
			Probes:   schema.Probes{Readiness: &schema.Probe{HTTP: &schema.HTTPProbe{Path: "/readyz"}}},
		}},
	}, Options{Images: map[string]string{"hello": "registry.example.com/hello/hello@" + digestA}}
}

// everything uses every field there is, in two services out of order.
func everything() (*schema.App, Options) {
	return &schema.App{
		Name:      "shop",
		Namespace: "shop-prod",
		Services: []*schema.Service{{
			Name:     "worker",
			Image:    "registry.example.com/tools/worker@" + digestB,
			Replicas: 0,
		}, {
			Name:     "api",
			Build:    &schema.Build{Go: "./api"},
			Command:  []string{"/app/api"},
			Args:     []string{"--verbose", ""},
			Replicas: 3,
			Ports: []schema.Port{
				{Name: "http", Port: 8080, Service: 80},
				{Name: "metrics", Port: 9090, Service: 9090, Protocol: "TCP"},
				{Name: "dns", Port: 5353, Service: 53, Protocol: "UDP"},
			},
			Probes: schema.Probes{
				Startup:   &schema.Probe{Exec: []string{"/app/api", "check"}, PeriodSeconds: 1, FailureThreshold: 60},
				Readiness: &schema.Probe{HTTP: &schema.HTTPProbe{Path: "/readyz?full=1", Scheme: "HTTPS"}, InitialDelaySeconds: 2, TimeoutSeconds: 3, SuccessThreshold: 2},
				Liveness:  &schema.Probe{TCP: &schema.TCPProbe{Port: "metrics"}},
			},
			Env: []schema.EnvVar{{Name: "EMPTY", Value: ""}, {Name: "LEVEL", Value: "debug"}, {Name: "PRICE", Value: "<5 & rising"}},
			Resources: schema.Resources{
				Requests: map[string]string{"cpu": "0.25", "memory": "1024Mi", "ephemeral-storage": "1000Mi", "nvidia.com/gpu": "1"},
				Limits:   map[string]string{"cpu": "2000m"},
			},
			Security: schema.Security{
				RunAsUser:                ptr.To(int64(1000)),
				RunAsGroup:               ptr.To(int64(1001)),
				FSGroup:                  ptr.To(int64(1002)),
				AllowRoot:                true,
				WritableRoot:             true,
				AddCapabilities:          []string{"NET_BIND_SERVICE", "CHOWN", "CHOWN"},
				AllowPrivilegeEscalation: true,
			},
		}},
	}, Options{Images: map[string]string{"api": "registry.example.com/shop/api@" + digestA}}
}

// shop has every kind of object and of reference, in services out of order.
func shop() (*schema.App, Options) {
	image := func(name string) string { return "registry.example.com/shop/" + name + "@" + digestA }
	http := []schema.Port{{Name: "http", Port: 8080, Service: 80, Protocol: "TCP"}}
	ready := schema.Probes{Readiness: &schema.Probe{HTTP: &schema.HTTPProbe{Path: "/readyz"}}}
	small := schema.Resources{Requests: map[string]string{"cpu": "50m", "memory": "64Mi"}}
	return &schema.App{
		Name:        "shop",
		Namespace:   "shop-prod",
		Network:     schema.Network{Policy: true},
		Labels:      map[string]string{"team": "store", "app.kubernetes.io/version": "7"},
		Annotations: map[string]string{"linkerd.io/inject": "enabled", "example.com/owner": "app"},
		Quota:       map[string]string{"requests.cpu": "8000m", "requests.memory": "16384Mi", "pods": "40", "count/jobs.batch": "5"},
		Services: []*schema.Service{{
			Name: "web", Image: image("web"), Resources: small, Replicas: 2, Ports: http, Probes: ready,
			Labels:      map[string]string{"tier": "front"},
			Annotations: map[string]string{"example.com/owner": "web", "example.com/note": "a: b"},
			Env: []schema.EnvVar{
				{Name: "POD_IP", Field: "status.podIP"},
				{Name: "LEVEL", Config: &schema.KeyRef{Name: "app", Key: "level"}},
				{Name: "SESSION_KEY", Secret: &schema.KeyRef{Name: "session", Key: "key"}},
				{Name: "API_TOKEN", Secret: &schema.KeyRef{Name: "session", Key: "token"}},
				{Name: "BASKET_HOST", Value: "basket.example.com"},
				{Name: "BANNER", Value: "$(CATALOG_URL)/banner"},
			},
			Config: []schema.Config{
				{Name: "app", Data: map[string]string{"level": "debug", "empty": "", "app.yaml": "shop:\n  title: Shop\n"}},
				{Name: "icons", Data: map[string]string{"favicon.ico": "\x00\xff\xfe"}},
			},
			Secrets: []schema.Secret{
				{Name: "session", Keys: []schema.SecretKey{
					{Key: "key", Env: "SESSION_KEY"},
					{Key: "token", Existing: &schema.KeyRef{Name: "partner", Key: "api-token"}},
					{Key: "id", Existing: &schema.KeyRef{Name: "partner", Key: "api-id"}},
				}},
				{Name: "outside", Keys: []schema.SecretKey{{Key: "ca.pem", Existing: &schema.KeyRef{Name: "corporate-ca", Key: "ca.pem"}}}},
				{Name: "files", Keys: []schema.SecretKey{{Key: "license", File: "secrets/license"}}},
			},
			Volumes: []schema.Volume{
				{Name: "session", Mount: "/etc/session", Secret: "session", ReadOnly: true},
				{Name: "outside", Mount: "/etc/ssl/outside", Secret: "outside"},
				{Name: "files", Mount: "/etc/files", Secret: "files"},
				{Name: "conf", Mount: "/etc/app", Config: "app"},
				{Name: "icons", Mount: "/srv/icons", Config: "icons"},
				{Name: "cache", Mount: "/cache", EmptyDir: &schema.EmptyDir{SizeLimit: "1024Mi"}},
				{Name: "tmp", Mount: "/var/tmp", EmptyDir: &schema.EmptyDir{Memory: true}},
			},
			Calls: []schema.Call{
				{Name: "catalog", Service: "catalog", Port: 80, Target: "http", Scheme: "http"},
				{Name: "catalog-admin", Service: "catalog", Port: 9090, Target: "admin", Scheme: "tcp"},
				{Name: "basket", Service: "basket", Port: 8080, Target: "http", Scheme: "http"},
				{Name: "stripe", Host: "api.stripe.com", Port: 443, Scheme: "https"},
				{Name: "ledger", CIDR: "10.0.0.0/8", Port: 5432, Scheme: "tcp"},
			},
			Needs: []string{"catalog", "basket"},
			Expose: []schema.Expose{
				{Name: "public", Host: "shop.example.com", Path: "/", Port: "http"},
				{Name: "beta", Host: "beta.example.com", Path: "/next", Class: "nginx", TLS: "beta-tls"},
			},
			Rollout:   schema.Rollout{MaxSurge: "1", MaxUnavailable: "50%", MinReadySeconds: 5, DeadlineSeconds: 900},
			Lifecycle: schema.Lifecycle{PreStop: &schema.PreStop{HTTP: &schema.HTTPProbe{Path: "/drain"}}, TerminationGracePeriodSeconds: ptr.To(int64(60))},
			Pull:      []string{"registry", "mirror"},
		}, {
			Name: "catalog", Image: image("catalog"), Resources: small, Workload: schema.StatefulSet, Replicas: 3, Probes: ready,
			Ports: []schema.Port{{Name: "http", Port: 8080, Service: 80}, {Name: "admin", Port: 9090}},
			Volumes: []schema.Volume{
				{Name: "data", Mount: "/data", Claim: &schema.Claim{Size: "1024Mi"}},
				{Name: "archive", Mount: "/archive", Claim: &schema.Claim{Size: "2Gi", Class: "slow", AccessModes: []string{"ReadWriteMany"}}},
			},
			Calls:   []schema.Call{{Name: "catalog", Service: "catalog", Port: 9090, Target: "admin", Scheme: "tcp"}},
			Rollout: schema.Rollout{PodManagementPolicy: "Parallel"},
		}, {
			Name: "basket", Image: image("basket"), Resources: small, Replicas: 1, Ports: []schema.Port{{Name: "http", Port: 8080}}, Probes: ready,
			Volumes: []schema.Volume{{Name: "data", Mount: "/data", Claim: &schema.Claim{Size: "500Mi"}}},
		}, {
			Name: "migrate", Image: image("migrate"), Resources: small, Workload: schema.Job, Args: []string{"up"},
			Calls:   []schema.Call{{Name: "catalog", Service: "catalog", Port: 80, Target: "http", Scheme: "http"}},
			Needs:   []string{"catalog"},
			Rollout: schema.Rollout{BackoffLimit: ptr.To(int32(0)), DeadlineSeconds: 120},
		}},
	}, Options{}
}

var apps = map[string]func() (*schema.App, Options){
	"hello": hello, "everything": everything, "shop": shop, "workloads": workloads, "scaled": scaled, "edge": edge, "platform": platform,
}
