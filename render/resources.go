package render

import (
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/shipit-dev/shipit/schema"
)

// resources gives a memory limit equal to the request, so that a pod which
// outgrows it is the one to end and not its neighbour, and no CPU limit, which
// would slow a pod down on an idle node. Extended resources cannot be
// overcommitted: their limit always equals their request.
func (s *service) resources(at string, r schema.Resources) (corev1.ResourceRequirements, error) {
	requests, err := quantities("services."+s.Name+"."+at+"resources.", r.Requests)
	if err != nil {
		return corev1.ResourceRequirements{}, err
	}
	limits, err := quantities("services."+s.Name+"."+at+"resources.limits.", r.Limits)
	if err != nil {
		return corev1.ResourceRequirements{}, err
	}
	for name, quantity := range requests {
		_, given := limits[name]
		whole := name == corev1.ResourceMemory || strings.Contains(string(name), "/") || strings.HasPrefix(string(name), corev1.ResourceHugePagesPrefix)
		if whole && !given {
			limits[name] = quantity
		}
	}
	return corev1.ResourceRequirements{Requests: requests, Limits: limits}, nil
}
