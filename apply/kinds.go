package apply

import (
	"errors"
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
	m, err := k.discovered.RESTMapping(gvk.GroupKind(), gvk.Version)
	if meta.IsNoMatchError(err) {
		if cause := k.silent()[gvk.GroupVersion()]; cause != nil {
			return nil, &SilentAPIError{Group: gvk.GroupVersion().String(), Kind: gvk.Kind, Err: cause}
		}
	}
	return m, err
}

// silent are the groups that another server is to answer for and does not, with
// the cause. What kinds they have is not known.
func (k *kinds) silent() map[schema.GroupVersion]error {
	all, ok := k.discovery.(discovery.AggregatedDiscoveryInterface)
	if !ok {
		return nil
	}
	_, _, silent, err := all.GroupsAndMaybeResources()
	if err != nil {
		return nil
	}
	return silent
}

// forget makes the next kind that is not built in be looked for anew.
func (k *kinds) forget() { k.discovered.Reset() }

// unknown reports whether the cluster has no such kind, for all that is known.
func (k *kinds) unknown(gvk schema.GroupVersionKind) bool {
	_, err := k.mapping(gvk)
	return meta.IsNoMatchError(err)
}

// undefined is unknown, or of a group that does not answer, as one does for a
// moment whose first kind was just defined.
func (k *kinds) undefined(gvk schema.GroupVersionKind) bool {
	_, err := k.mapping(gvk)
	var silent *SilentAPIError
	return meta.IsNoMatchError(err) || errors.As(err, &silent)
}

// served returns the kind in its version if the server has that, else in another one
// that it has, by which the same objects are found.
func (k *kinds) served(kind kindRef) kindRef {
	gvk := schema.FromAPIVersionAndKind(kind.APIVersion, kind.Kind)
	if !k.unknown(gvk) {
		return kind
	}
	m, err := k.builtin.RESTMapping(gvk.GroupKind())
	if err != nil {
		m, err = k.discovered.RESTMapping(gvk.GroupKind())
	}
	if err != nil {
		return kind
	}
	return kindRef{APIVersion: m.GroupVersionKind.GroupVersion().String(), Kind: kind.Kind}
}

// all lists every namespaced resource that somebody could have made, each in the
// server's preferred version, and the groups that do not answer, which may have
// more.
func (k *kinds) all() (found []schema.GroupVersionResource, silent []string, err error) {
	lists, err := discovery.ServerPreferredNamespacedResources(k.discovery)
	var failed *discovery.ErrGroupDiscoveryFailed
	if errors.As(err, &failed) {
		for group := range failed.Groups {
			silent = append(silent, group.String())
		}
		slices.Sort(silent)
	} else if err != nil {
		return nil, nil, err
	}
	lists = discovery.FilteredBy(discovery.SupportsAllVerbs{Verbs: []string{"list", "create"}}, lists)
	resources, err := discovery.GroupVersionResources(lists)
	if err != nil {
		return nil, nil, err
	}
	return slices.DeleteFunc(slices.Collect(maps.Keys(resources)), func(r schema.GroupVersionResource) bool {
		switch r.Resource {
		case "endpoints", "endpointslices", "events":
			return true // derived from what else is there
		}
		return false
	}), silent, nil
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
