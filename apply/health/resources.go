package health

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// QuotaField is the Field of a Diagnosis about a resource that a quota counts:
// "replicas", "resources.memory".
func QuotaField(name corev1.ResourceName) string {
	switch last := string(name)[strings.LastIndex(string(name), ".")+1:]; last {
	case "pods", "count/pods":
		return "replicas"
	case "cpu", "memory":
		return "resources." + last
	}
	return "resources"
}

// PodNeeds is what one pod counts towards a quota's limit, and whether pods count
// at all (https://kubernetes.io/docs/concepts/policy/resource-quotas).
func PodNeeds(spec *corev1.PodSpec, name corev1.ResourceName) (resource.Quantity, bool) {
	switch name {
	case corev1.ResourcePods, "count/pods":
		return *resource.NewQuantity(1, resource.DecimalSI), true
	case corev1.ResourceCPU, corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
		return podSum(spec, name, false), true
	case corev1.ResourceRequestsStorage:
		return resource.Quantity{}, false // of claims
	}
	if of, ok := strings.CutPrefix(string(name), "requests."); ok {
		return podSum(spec, corev1.ResourceName(of), false), true
	}
	if of, ok := strings.CutPrefix(string(name), "limits."); ok {
		return podSum(spec, corev1.ResourceName(of), true), true
	}
	return resource.Quantity{}, false
}

// podSum is what the containers ask for together, or an init container alone if
// that is more (https://kubernetes.io/docs/concepts/workloads/pods/init-containers).
func podSum(spec *corev1.PodSpec, name corev1.ResourceName, limits bool) resource.Quantity {
	of := func(c corev1.Container) resource.Quantity {
		q, ok := c.Resources.Requests[name]
		if limits || !ok {
			q = c.Resources.Limits[name]
		}
		return q
	}
	var sum, largest resource.Quantity
	for _, c := range spec.InitContainers {
		q := of(c)
		if c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			sum.Add(q)
			continue
		}
		q.Add(sum) // sidecars before it run beside it
		if q.Cmp(largest) > 0 {
			largest = q
		}
	}
	for _, c := range spec.Containers {
		sum.Add(of(c))
	}
	if largest.Cmp(sum) > 0 {
		sum = largest
	}
	sum.Add(spec.Overhead[name])
	return sum
}
