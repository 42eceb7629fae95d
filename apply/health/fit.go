package health

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	schedulingv1 "k8s.io/component-helpers/scheduling/corev1"
	"k8s.io/component-helpers/scheduling/corev1/nodeaffinity"
	"k8s.io/klog/v2"
)

// Unfit says why none of the nodes can take such a pod, were it empty; nil when one
// can, or when there are none to know of.
func Unfit(spec *corev1.PodSpec, nodes []corev1.Node) *Diagnosis {
	if len(nodes) == 0 {
		return nil
	}
	d := &Diagnosis{Code: CodeUnschedulable, Field: "placement", Hint: "write what a node has, or add such a node; where the cluster adds nodes by itself, see that it adds one"}
	required := nodeaffinity.GetRequiredNodeAffinity(&corev1.Pod{Spec: *spec})
	chosen := slices.DeleteFunc(slices.Clone(nodes), func(n corev1.Node) bool {
		matches, err := required.Match(&n)
		return err == nil && !matches
	})
	if len(chosen) == 0 {
		d.Message = "no node is as the affinity of its pods demands"
		if len(spec.NodeSelector) > 0 {
			d.Message = "its pods want nodes with the labels " + labelsOf(spec.NodeSelector) + ", and there are none"
		}
		return d
	}
	var taint corev1.Taint
	open := slices.DeleteFunc(slices.Clone(chosen), func(n corev1.Node) bool {
		found, keeps := schedulingv1.FindMatchingUntoleratedTaint(klog.Background(), n.Spec.Taints, spec.Tolerations, lasting, false)
		if keeps {
			taint = found
		}
		return keeps
	})
	if len(open) == 0 {
		d.Message = fmt.Sprintf("each node that its pods may run on has a taint that they do not tolerate, such as %s", taint.ToString())
		return d
	}
	return tooLittle(spec, open)
}

// lasting is a taint that keeps pods away, and is not there for a while only, as
// those of a node that is cordoned or not ready are.
func lasting(t *corev1.Taint) bool {
	return t.Effect != corev1.TaintEffectPreferNoSchedule &&
		!strings.HasPrefix(t.Key, "node.kubernetes.io/") && !strings.HasPrefix(t.Key, "node.cloudprovider.kubernetes.io/")
}

// tooLittle says of what the pod asks for more than any of the nodes has; nil when
// one has enough, or when there are none to know of.
func tooLittle(spec *corev1.PodSpec, nodes []corev1.Node) *Diagnosis {
	wanted := resourcesOf(spec)
	fits := func(n corev1.Node, name corev1.ResourceName) bool {
		need, has := podSum(spec, name, false), n.Status.Allocatable[name]
		return need.Cmp(has) <= 0
	}
	if len(nodes) == 0 || slices.ContainsFunc(nodes, func(n corev1.Node) bool {
		return !slices.ContainsFunc(wanted, func(name corev1.ResourceName) bool { return !fits(n, name) })
	}) {
		return nil
	}
	d := &Diagnosis{Code: CodeUnschedulable, Field: "resources", Message: "no node has all that a pod asks for", Hint: "ask for less, or add a larger node"}
	for _, name := range wanted {
		if slices.ContainsFunc(nodes, func(n corev1.Node) bool { return fits(n, name) }) {
			continue
		}
		need, most := podSum(spec, name, false), nodes[0].Status.Allocatable[name]
		for _, n := range nodes[1:] {
			if has := n.Status.Allocatable[name]; has.Cmp(most) > 0 {
				most = has
			}
		}
		d.Field = QuotaField(name)
		d.Message = fmt.Sprintf("a pod asks for %s %s, and no node that it may run on has more than %s", need.String(), name, most.String())
		break
	}
	return d
}

// resourcesOf are what containers of the pod ask for, in order.
func resourcesOf(spec *corev1.PodSpec) []corev1.ResourceName {
	names := map[corev1.ResourceName]bool{}
	for _, c := range slices.Concat(spec.InitContainers, spec.Containers) {
		for name := range c.Resources.Requests {
			names[name] = true
		}
		for name := range c.Resources.Limits { // which are asked for where nothing is
			names[name] = true
		}
	}
	return slices.Sorted(maps.Keys(names))
}

func labelsOf(m map[string]string) string {
	var parts []string
	for _, key := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, key+"="+m[key])
	}
	return strings.Join(parts, ", ")
}
