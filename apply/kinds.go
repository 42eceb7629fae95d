package apply

import (
	"maps"
	"net/http"
	"slices"

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
	discovery  discovery.CachedDiscoveryInterface
	builtin    meta.RESTMapper
	discovered *restmapper.DeferredDiscoveryRESTMapper
}

func newKinds(cfg *rest.Config, h *http.Client) (*kinds, error) {
	dc, err := discovery.NewDiscoveryClientForConfigAndClient(cfg, h)
	if err != nil {
		return nil, err
	}
	cached := memory.NewMemCacheClient(dc)
	return &kinds{
		discovery:  cached,
		builtin:    builtinKinds(),
		discovered: restmapper.NewDeferredDiscoveryRESTMapper(cached),
	}, nil
}

func (k *kinds) mapping(gvk schema.GroupVersionKind) (*meta.RESTMapping, error) {
	if m, err := k.builtin.RESTMapping(gvk.GroupKind(), gvk.Version); err == nil {
		return m, nil
	}
	return k.discovered.RESTMapping(gvk.GroupKind(), gvk.Version)
}

// forget makes the next kind that is not built in be looked for anew.
func (k *kinds) forget() { k.discovered.Reset() }

// unknown reports whether the cluster has no such kind.
func (k *kinds) unknown(gvk schema.GroupVersionKind) bool {
	_, err := k.mapping(gvk)
	return meta.IsNoMatchError(err)
}

// all lists every namespaced resource that somebody could have made, each in the
// server's preferred version.
func (k *kinds) all() ([]schema.GroupVersionResource, error) {
	lists, err := discovery.ServerPreferredNamespacedResources(k.discovery)
	if err != nil {
		return nil, err
	}
	lists = discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "create"}}, lists)
	found, err := discovery.GroupVersionResources(lists)
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(slices.Collect(maps.Keys(found)), func(r schema.GroupVersionResource) bool {
		switch r.Resource {
		case "endpoints", "endpointslices", "events":
			return true // derived from what else is there
		}
		return false
	}), nil
}

// usual are the kinds that an app's objects may be of when no index tells.
func (k *kinds) usual() []kindRef {
	return []kindRef{
		{"v1", "ConfigMap"}, {"v1", "Secret"}, {"v1", "Service"}, {"v1", "ServiceAccount"}, {"v1", "PersistentVolumeClaim"},
		{"apps/v1", "Deployment"}, {"apps/v1", "StatefulSet"}, {"apps/v1", "DaemonSet"},
		{"batch/v1", "Job"}, {"batch/v1", "CronJob"},
		{"networking.k8s.io/v1", "Ingress"}, {"networking.k8s.io/v1", "NetworkPolicy"},
	}
}

// namespaced reports whether the kind is known, without asking, to live in
// namespaces.
func (k *kinds) namespaced(gvk schema.GroupVersionKind) bool {
	m, err := k.builtin.RESTMapping(gvk.GroupKind(), gvk.Version)
	return err == nil && m.Scope.Name() == meta.RESTScopeNameNamespace
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
	add("apiextensions.k8s.io/v1", meta.RESTScopeRoot, definitionKind)
	add("apps/v1", ns, "Deployment", "StatefulSet", "DaemonSet", "ReplicaSet")
	add("batch/v1", ns, "Job", "CronJob")
	add("networking.k8s.io/v1", ns, "Ingress", "NetworkPolicy")
	add("policy/v1", ns, "PodDisruptionBudget")
	add("autoscaling/v2", ns, "HorizontalPodAutoscaler")
	add("rbac.authorization.k8s.io/v1", ns, "Role", "RoleBinding")
	return m
}
