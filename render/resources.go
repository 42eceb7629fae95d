package render

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// resources gives a memory limit equal to the request, so that a pod which
// outgrows it is the one to end and not its neighbour, and no CPU limit, which
// would slow a pod down on an idle node. Extended resources cannot be
// overcommitted: their limit always equals their request.
func (s *service) resources() (corev1.ResourceRequirements, error) {
	requests, err := s.quantities("resources.", s.Resources.Requests)
	if err != nil {
		return corev1.ResourceRequirements{}, err
	}
	limits, err := s.quantities("resources.limits.", s.Resources.Limits)
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

func (s *service) quantities(path string, written map[string]string) (corev1.ResourceList, error) {
	list := corev1.ResourceList{}
	for name, value := range written {
		q, err := resource.ParseQuantity(value)
		if err != nil {
			return nil, s.wrong(path+name, err)
		}
		list[corev1.ResourceName(name)] = q
	}
	return list, nil
}
