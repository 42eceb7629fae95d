package render

import (
	"k8s.io/utils/ptr"

	"github.com/shipit-dev/shipit/schema"
)

// image is one that is pinned already.
func image(name string) string { return "registry.example.com/shop/" + name + "@" + digestA }

var (
	httpPorts = []schema.Port{{Name: "http", Port: 8080, Service: 80}}
	httpReady = schema.Probes{Readiness: &schema.Probe{HTTP: &schema.HTTPProbe{Path: "/readyz"}}}
	smallSize = schema.Resources{Requests: map[string]string{"cpu": "50m", "memory": "64Mi"}}
)

// workloads has every kind of workload, of container and of task.
func workloads() (*schema.App, Options) {
	web := &schema.Service{
		Name: "web", Build: &schema.Build{Go: "./web"}, Replicas: 2, Resources: smallSize, Workdir: "/srv",
		Ports:  []schema.Port{{Name: "http", Port: 8080, AppProtocol: "kubernetes.io/h2c"}, {Name: "grpc", Port: 9000}},
		Probes: schema.Probes{Readiness: &schema.Probe{GRPC: &schema.GRPCProbe{}}, Liveness: &schema.Probe{HTTP: &schema.HTTPProbe{Path: "/", Port: "http", Headers: map[string]string{"X-Probe": "1", "Accept": "*/*"}}}},
		Env:    []schema.EnvVar{{Name: "LEVEL", Value: "debug"}},
		EnvFrom: []schema.EnvFrom{
			{Config: "settings", Prefix: "APP_"}, {Secret: "db"},
		},
		Config:  []schema.Config{{Name: "settings", Data: map[string]string{"LEVEL": "info"}}},
		Secrets: []schema.Secret{{Name: "db", Keys: []schema.SecretKey{{Key: "PASSWORD", SOPS: &schema.SOPSKey{File: "db.yaml", Key: "password"}}, {Key: "USER", Existing: &schema.KeyRef{Name: "db", Key: "user"}}}}},
		Volumes: []schema.Volume{
			{Name: "shared", EmptyDir: &schema.EmptyDir{}, Mount: "/shared", SubPath: "web"},
			{Name: "settings", Config: "settings", Mode: ptr.To(int32(0o440))},
			{Name: "keys", Secret: "db", Mount: "/keys", Mode: ptr.To(int32(0o400))},
			{Name: "old", ExistingClaim: "uploads", Mount: "/uploads", ReadOnly: true},
		},
		Calls:    []schema.Call{{Name: "store", Service: "store", Port: 5432, Target: "sql", Scheme: "tcp"}},
		Security: schema.Security{RunAsUser: ptr.To(int64(1000)), RunAsGroup: ptr.To(int64(1001))},
		Init: []schema.Container{
			{Name: "wait", Order: 2, Image: image("wait"), Args: []string{"store:5432"}},
			{Name: "copy", Order: 1, Image: image("copy"), Mounts: []schema.Mount{{Volume: "shared", Path: "/out"}, {Volume: "settings", Path: "/etc/settings", ReadOnly: true}}},
		},
		Sidecars: []schema.Container{{
			Name: "proxy", Build: &schema.Build{Go: "./proxy"}, Ports: []schema.Port{{Name: "admin", Port: 9901}}, Resources: smallSize,
			Env:      []schema.EnvVar{{Name: "LEVEL", Config: &schema.KeyRef{Name: "settings", Key: "LEVEL"}}},
			Probes:   schema.Probes{Startup: &schema.Probe{TCP: &schema.TCPProbe{}}},
			Security: schema.Security{RunAsUser: ptr.To(int64(101)), WritableRoot: true},
		}},
		Monitor: &schema.Monitor{Port: "admin"},
		Rollout: schema.Rollout{RevisionHistoryLimit: ptr.To(int32(3))},
	}
	task := func(name string, args ...string) schema.Task {
		return schema.Task{
			Container:       schema.Container{Name: name, Build: web.Build, Args: args, Resources: smallSize, Env: web.Env, EnvFrom: web.EnvFrom, Security: web.Security},
			DeadlineSeconds: 600, RunOn: schema.OnChange,
		}
	}
	seed := task("seed", "seed")
	seed.RunOn, seed.BackoffLimit, seed.Image, seed.Build = schema.EveryDeploy, 2, image("seed"), nil
	seed.Mounts = []schema.Mount{{Volume: "keys", Path: "/keys", ReadOnly: true}}
	web.Before, web.After = []schema.Task{task("migrate", "up")}, []schema.Task{seed}
	return &schema.App{
		Name: "workloads", Namespace: "workloads", Network: schema.Network{Policy: true}, Quota: map[string]string{"pods": "40"},
		Services: []*schema.Service{web, {
			Name: "store", Image: image("store"), Workload: schema.StatefulSet, Replicas: 1, Resources: smallSize,
			Ports: []schema.Port{{Name: "sql", Port: 5432}},
			Volumes: []schema.Volume{{Name: "data", Mount: "/data", Claim: &schema.Claim{
				Size: "1Gi", DataSource: &schema.ObjectRef{APIVersion: "snapshot.storage.k8s.io/v1", Kind: "VolumeSnapshot", Name: "last"},
			}}},
			Rollout: schema.Rollout{Partition: ptr.To(int32(0)), MaxUnavailable: "1"},
			Monitor: &schema.Monitor{Port: "sql", Path: "/stats"},
		}, {
			Name: "agent", Image: image("agent"), Workload: schema.DaemonSet, Resources: smallSize,
			Ports:    []schema.Port{{Name: "logs", Port: 5140, Protocol: "UDP"}, {Name: "health", Port: 8081, Host: 8081}},
			Volumes:  []schema.Volume{{Name: "logs", Mount: "/var/log", ReadOnly: true, HostPath: &schema.HostPath{Path: "/var/log", Type: "Directory"}}, {Name: "run", Mount: "/run/node", HostPath: &schema.HostPath{Path: "/run"}}},
			Security: schema.Security{HostPath: true, SupplementalGroups: []int64{4}, Seccomp: "localhost/profiles/agent.json"},
			Rollout:  schema.Rollout{MaxUnavailable: "25%"},
		}, {
			Name: "report", Image: image("report"), Workload: schema.CronJob, Resources: smallSize,
			Schedule: &schema.Schedule{Cron: "15 3 * * *", TimeZone: "Europe/Berlin", StartingDeadlineSeconds: ptr.To(int64(600)), FailedJobsHistoryLimit: ptr.To(int32(2))},
			Rollout:  schema.Rollout{DeadlineSeconds: 900, BackoffLimit: ptr.To(int32(1)), TTLSecondsAfterFinished: ptr.To(int32(86400))},
			Calls:    []schema.Call{{Name: "store", Service: "store", Port: 5432, Target: "sql", Scheme: "tcp"}, {Name: "mail", Host: "mail.example.com", Port: 587, Scheme: "tcp"}},
		}, {
			Name: "batch", Image: image("batch"), Workload: schema.Job, Resources: smallSize,
			Rollout: schema.Rollout{Parallelism: ptr.To(int32(2)), Completions: ptr.To(int32(4)), Indexed: true},
		}},
	}, Options{Images: map[string]string{"web": image("web"), "web.sidecars.proxy": image("proxy")}}
}

// scaled has all that says how many pods there are, and where.
func scaled() (*schema.App, Options) {
	return &schema.App{
		Name: "scaled", Namespace: "scaled", Network: schema.Network{Policy: true},
		Services: []*schema.Service{{
			Name: "web", Image: image("web"), Replicas: 3, Resources: smallSize, Ports: httpPorts, Probes: httpReady, Availability: schema.ActiveActive,
			Autoscale: &schema.Autoscale{
				Min: 3, Max: 20, CPU: &schema.ScaleTarget{Utilization: 70}, Memory: &schema.ScaleTarget{AverageValue: "500Mi"},
				Metrics: []schema.Metric{
					{Name: "requests", Metric: "http_requests_per_second", Kind: "Pods", AverageValue: "1k"},
					{Name: "backlog", Kind: "External", Selector: map[string]string{"queue": "mail"}, Value: "30"},
					{Name: "hits", Kind: "Object", Object: schema.ObjectRef{APIVersion: "networking.k8s.io/v1", Kind: "Ingress", Name: "web"}, AverageValue: "10"},
				},
				Behavior: schema.Behavior{
					ScaleUp:   &schema.ScalingRules{Policies: []schema.ScalingPolicy{{Name: "pods", Type: "Pods", Value: 4, PeriodSeconds: 15}, {Name: "double", Type: "Percent", Value: 100, PeriodSeconds: 15}}},
					ScaleDown: &schema.ScalingRules{StabilizationWindowSeconds: ptr.To(int32(120)), SelectPolicy: "Min"},
				},
			},
			Disruption: &schema.Disruption{MaxUnavailable: "1"},
			Placement: schema.Placement{
				Nodes:       map[string]string{"kubernetes.io/arch": "amd64"},
				Near:        []schema.Affinity{{Service: "cache", Topology: "topology.kubernetes.io/zone"}},
				Apart:       []schema.Affinity{{Service: "web", Required: true}, {Service: "cache"}},
				Spread:      []schema.Spread{{Topology: "topology.kubernetes.io/zone", Required: true}, {Topology: "kubernetes.io/hostname", MaxSkew: 2}},
				Tolerations: []schema.Toleration{{Name: "spot", Key: "spot", Value: "true", Effect: "NoSchedule"}, {Name: "lost", Key: "node.kubernetes.io/unreachable", Effect: "NoExecute", Seconds: ptr.To(int64(30))}},
				Priority:    "system-cluster-critical",
			},
		}, {
			Name: "cache", Image: image("cache"), Workload: schema.StatefulSet, Replicas: 2, Resources: smallSize, Ports: []schema.Port{{Name: "redis", Port: 6379}},
			Autoscale:  &schema.Autoscale{Vertical: &schema.Vertical{Min: map[string]string{"memory": "64Mi"}, Max: map[string]string{"cpu": "2", "memory": "4Gi"}}},
			Disruption: &schema.Disruption{MinAvailable: "50%"},
			Placement:  schema.Placement{Spread: []schema.Spread{{Topology: "kubernetes.io/hostname"}}},
			Rollout:    schema.Rollout{Strategy: "OnDelete"},
		}},
	}, Options{}
}

// edge has all ways into an app, and out of it.
func edge() (*schema.App, Options) {
	return &schema.App{
		Name: "edge", Namespace: "edge",
		Network: schema.Network{
			Policy: true, DNS: schema.Peer{Namespace: "dns", Labels: map[string]string{"app": "dns"}}, NodeLocalDNS: "fd00::a",
			Ingress: &schema.Peer{Namespace: "gateways", Labels: map[string]string{"app": "envoy"}}, Monitoring: &schema.Peer{Namespace: "monitoring"}, APIServer: "10.0.0.1/32",
		},
		Monitoring: schema.Operator,
		Gateways: []schema.Gateway{{Name: "public", Class: "envoy", Annotations: map[string]string{"example.com/size": "small"}, Listeners: []schema.Listener{
			{Name: "http", Port: 80}, {Name: "https", Port: 443, Host: "*.example.com", Secrets: []string{"wildcard"}, From: "All"}, {Name: "raw", Port: 8443, Protocol: "TLS"},
		}}},
		Services: []*schema.Service{{
			Name: "web", Image: image("web"), Replicas: 1, Resources: smallSize, Ports: httpPorts, Probes: httpReady,
			Service: schema.ServiceSpec{Type: schema.LoadBalancer, Annotations: map[string]string{"example.com/pool": "a"}, ExternalTrafficPolicy: "Local", InternalTrafficPolicy: "Local", TrafficDistribution: "PreferClose", SessionAffinity: "ClientIP", LoadBalancerClass: "example.com/lb", LoadBalancerSourceRanges: []string{"10.0.0.0/8"}, IPFamilyPolicy: "SingleStack"},
			Monitor: &schema.Monitor{Interval: "30s"},
			Calls: []schema.Call{
				{Name: "invoices", Service: "invoices", App: "billing", Namespace: "money", Port: 80, Scheme: "http"},
				{Name: "audit", Service: "audit", App: "edge", Port: 80, Scheme: "http"},
				{Name: "db", CIDR: "10.1.0.0/16", Port: 5432, Scheme: "tcp"},
				{Name: "stripe", Host: "api.stripe.com", Port: 443, Scheme: "https"},
			},
			Expose: []schema.Expose{
				{Name: "public", Host: "shop.example.com", Port: "http", Gateway: &schema.GatewayRef{Name: "public", SectionName: "https"}, Annotations: map[string]string{"example.com/owner": "web"}, Routes: []schema.Route{
					{Path: "/", Timeout: "30s", Backends: []schema.Backend{{Service: "web", Port: "http", Number: 80, Weight: 90}, {Service: "web-next", Port: "http", Number: 80, Weight: 10}}},
					{Path: "/api", Method: "GET", Headers: map[string]string{"X-Beta": "1"}, Rewrite: "/v2", RequestHeaders: schema.Headers{Set: map[string]string{"X-From": "gateway"}, Remove: []string{"X-Debug"}}, ResponseHeaders: schema.Headers{Add: map[string]string{"Vary": "X-Beta"}}, Backends: []schema.Backend{{Service: "web-next", Port: "http", Number: 80}}},
					{Path: "/old", Exact: true, Rewrite: "/new", Backends: []schema.Backend{{Service: "web", Port: "http", Number: 80}}},
				}},
				{Name: "plain", Host: "shop.example.com", Gateway: &schema.GatewayRef{Name: "shared", Namespace: "gateways"}, Redirect: &schema.Redirect{Scheme: "https", Port: 443, Status: 301}, Routes: []schema.Route{{Path: "/"}}},
			},
		}, {
			Name: "web-next", Image: image("web"), Replicas: 1, Resources: smallSize, Ports: httpPorts, Probes: httpReady,
			Monitor: &schema.Monitor{},
		}, {
			Name: "legacy", Image: image("legacy"), Replicas: 1, Resources: smallSize, Workload: schema.StatefulSet,
			Ports:   []schema.Port{{Name: "http", Port: 8080, Service: 80, Node: 30080}, {Name: "metrics", Port: 9090}},
			Service: schema.ServiceSpec{Type: schema.NodePort}, Monitor: &schema.Monitor{},
			Expose: []schema.Expose{{Name: "public", Host: "legacy.example.com", Port: "http", DefaultTLS: true, Annotations: map[string]string{"nginx.ingress.kubernetes.io/ssl-redirect": "true"}, Routes: []schema.Route{
				{Path: "/status", Exact: true, Backends: []schema.Backend{{Service: "legacy", Port: "http", Number: 80, Weight: 1}}}, {Path: "/", Backends: []schema.Backend{{Service: "legacy", Port: "http", Number: 80, Weight: 1}}},
			}}},
			Callers: []schema.Caller{
				{Name: "billing", App: "billing", Service: "invoices", Namespace: "money", Port: "http"},
				{Name: "ops", Namespace: "ops"}, {Name: "shop", App: "shop", Port: "metrics"}, {Name: "office", CIDR: "192.168.0.0/16", Port: "http"},
			},
		}, {
			Name: "peers", Image: image("peers"), Replicas: 1, Resources: smallSize, Ports: []schema.Port{{Name: "gossip", Port: 7946}},
			Service: schema.ServiceSpec{Type: schema.Headless, PublishNotReadyAddresses: true},
			Calls:   []schema.Call{{Name: "self", Service: "peers", Port: 7946, Target: "gossip", Scheme: "tcp"}},
		}},
	}, Options{}
}

// platform has what a service may do, what is fetched for it, what belongs to no
// service, and patches.
func platform() (*schema.App, Options) {
	return &schema.App{
		Name: "platform", Namespace: "platform", Labels: map[string]string{"team": "core"}, Network: schema.Network{Policy: true},
		Quota:  map[string]string{"pods": "10"},
		Limits: &schema.Limits{Default: map[string]string{"memory": "256Mi"}, DefaultRequest: map[string]string{"cpu": "10m"}, Min: map[string]string{"cpu": "5m"}, Max: map[string]string{"cpu": "4000m", "memory": "2Gi"}},
		Objects: []schema.Object{
			{Path: "objects.widget", Object: map[string]any{"apiVersion": "example.com/v1", "kind": "Widget", "metadata": map[string]any{"name": "one", "labels": map[string]any{"team": "mine", "app.kubernetes.io/name": "widget"}}, "spec": map[string]any{"size": int64(3)}}},
			{Path: "objects.crds.0", Object: map[string]any{"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": "widgets.example.com"}, "spec": map[string]any{
				"group": "example.com", "scope": "Cluster", "names": map[string]any{"kind": "Widget", "plural": "widgets", "singular": "widget", "listKind": "WidgetList"},
				"versions": []any{map[string]any{"name": "v1", "served": true, "storage": true, "schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}},
			}, "status": map[string]any{"conditions": []any{}}}},
			{Path: "objects.role", Object: map[string]any{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": map[string]any{"name": "platform-reader"}, "rules": []any{map[string]any{"apiGroups": []any{""}, "resources": []any{"nodes"}, "verbs": []any{"get"}}}}},
			{Path: "objects.note", Object: map[string]any{"apiVersion": "v1", "kind": "ConfigMap", "metadata": map[string]any{"name": "note"}, "data": map[string]any{"a": "1"}}},
		},
		Services: []*schema.Service{{
			Name: "operator", Image: image("operator"), Replicas: 1, Resources: smallSize, Ports: httpPorts, Probes: httpReady,
			Permissions: []schema.Permission{
				{Name: "leases", APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "update"}, Names: []string{"operator"}},
				{Name: "config", Resources: []string{"configmaps", "pods/log"}, Verbs: []string{"get", "list", "watch"}},
			},
			Secrets: []schema.Secret{{Name: "api", Keys: []schema.SecretKey{
				{Key: "token", External: &schema.ExternalKey{Store: "vault", Key: "platform/api", Property: "token"}},
				{Key: "ca", External: &schema.ExternalKey{Store: "shared", StoreKind: "ClusterSecretStore", Key: "ca", Refresh: "10m"}},
				{Key: "local", Env: "LOCAL"},
			}}},
			Env:     []schema.EnvVar{{Name: "TOKEN", Secret: &schema.KeyRef{Name: "api", Key: "token"}}, {Name: "LOCAL", Secret: &schema.KeyRef{Name: "api", Key: "local"}}},
			Volumes: []schema.Volume{{Name: "api", Mount: "/api", Secret: "api"}},
			Patch: []schema.Patch{
				{Kind: "Deployment", Path: "services.operator.patch.Deployment", Data: map[string]any{"spec": map[string]any{"template": map[string]any{"spec": map[string]any{
					"hostAliases": []any{map[string]any{"ip": "10.0.0.1", "hostnames": []any{"db"}}},
					"containers":  map[string]any{"operator": map[string]any{"tty": true}},
				}}}}},
				{Kind: "Service", Path: "services.operator.patch.Service", Data: map[string]any{"metadata": map[string]any{"annotations": map[string]any{"example.com/a": "b"}}}},
			},
		}},
	}, Options{}
}
