package apply

import (
	"net/http"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
)

// kinds maps kinds to resources. What every cluster serves is known without
// asking; discovery (dozens of requests) happens at the first other kind.
type kinds struct {
	builtin    meta.RESTMapper
	discovered *restmapper.DeferredDiscoveryRESTMapper
}

func newKinds(cfg *rest.Config, h *http.Client) (*kinds, error) {
	dc, err := discovery.NewDiscoveryClientForConfigAndClient(cfg, h)
	if err != nil {
		return nil, err
	}
	return &kinds{
		builtin:    builtinKinds(),
		discovered: restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(dc)),
	}, nil
}

func (k *kinds) mapping(gvk schema.GroupVersionKind) (*meta.RESTMapping, error) {
	if m, err := k.builtin.RESTMapping(gvk.GroupKind(), gvk.Version); err == nil {
		return m, nil
	}
	return k.discovered.RESTMapping(gvk.GroupKind(), gvk.Version)
}

func builtinKinds() meta.RESTMapper {
	m := meta.NewDefaultRESTMapper(nil)
	add := func(apiVersion string, scope meta.RESTScope, kinds ...string) {
		for _, kind := range kinds {
			m.Add(schema.FromAPIVersionAndKind(apiVersion, kind), scope)
		}
	}
	ns := meta.RESTScopeNamespace
	add("v1", ns, "ConfigMap", "Secret", "Service", "ServiceAccount", "PersistentVolumeClaim", "Pod", "ResourceQuota", "LimitRange")
	add("v1", meta.RESTScopeRoot, "Namespace")
	add("apps/v1", ns, "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
	add("batch/v1", ns, "Job", "CronJob")
	add("networking.k8s.io/v1", ns, "Ingress", "NetworkPolicy")
	add("policy/v1", ns, "PodDisruptionBudget")
	add("autoscaling/v2", ns, "HorizontalPodAutoscaler")
	add("rbac.authorization.k8s.io/v1", ns, "Role", "RoleBinding")
	return m
}
