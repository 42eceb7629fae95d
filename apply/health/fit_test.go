package health

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// What a cluster of four nodes can take, as they are.
func TestUnfit(t *testing.T) {
	t.Parallel()
	var nodes []corev1.Node
	for _, text := range []string{
		"metadata: {labels: {zone: a}}\nstatus: {allocatable: {cpu: 2, memory: 4Gi, pods: 110}}",
		"metadata: {labels: {zone: b, size: large}}\nstatus: {allocatable: {cpu: 16, memory: 2Gi, pods: 110}}",
		"metadata: {labels: {zone: b, gpu: a100}}\nspec: {taints: [{key: example.com/gpu, value: a100, effect: NoSchedule}]}\nstatus: {allocatable: {cpu: 4, memory: 8Gi, nvidia.com/gpu: 1}}",
		"metadata: {labels: {zone: c}}\nspec: {unschedulable: true, taints: [{key: node.kubernetes.io/unschedulable, effect: NoSchedule}]}\nstatus: {allocatable: {cpu: 1, memory: 1Gi}}",
	} {
		var n corev1.Node
		if err := yaml.Unmarshal([]byte(text), &n); err != nil {
			t.Fatal(err)
		}
		nodes = append(nodes, n)
	}
	asks := func(what string) string { return "containers: [{resources: {requests: {" + what + "}}}]" }
	const gpu = "\ntolerations: [{key: example.com/gpu, operator: Exists}]"
	for pod, want := range map[string]string{
		asks("cpu: 1, memory: 1Gi"):                                      "",
		asks("cpu: 16, memory: 2Gi"):                                     "",
		asks("memory: 6Gi"):                                              "resources.memory: a pod asks for 6Gi memory, and no node that it may run on has more than 4Gi",
		asks("memory: 6Gi") + gpu:                                        "",
		asks("cpu: 17") + gpu:                                            "resources.cpu: a pod asks for 17 cpu, and no node that it may run on has more than 16",
		asks("cpu: 10, memory: 3Gi"):                                     "resources: no node has all that a pod asks for",
		"containers: [{resources: {limits: {nvidia.com/gpu: 1}}}]":       "resources: a pod asks for 1 nvidia.com/gpu, and no node that it may run on has more than 0",
		"containers: [{resources: {limits: {nvidia.com/gpu: 1}}}]" + gpu: "",
		"initContainers: [{resources: {requests: {memory: 9Gi}}}]":       "resources.memory: a pod asks for 9Gi memory",
		"nodeSelector: {zone: c}":                                        "",
		"nodeSelector: {zone: c, size: large}":                           "placement: its pods want nodes with the labels size=large, zone=c, and there are none",
		"nodeSelector: {gpu: a100}":                                      "placement: each node that its pods may run on has a taint that they do not tolerate, such as example.com/gpu=a100:NoSchedule",
		"nodeSelector: {gpu: a100}" + gpu:                                "",
		"nodeSelector: {zone: a}\n" + asks("cpu: 3"):                     "resources.cpu: a pod asks for 3 cpu, and no node that it may run on has more than 2",
		"affinity: {nodeAffinity: {requiredDuringSchedulingIgnoredDuringExecution: {nodeSelectorTerms: [{matchExpressions: [{key: zone, operator: In, values: [d]}]}]}}}": "placement: no node is as the affinity of its pods demands",
	} {
		var spec corev1.PodSpec
		if err := yaml.Unmarshal([]byte(pod), &spec); err != nil {
			t.Fatal(err)
		}
		got := ""
		if d := Unfit(&spec, nodes); d != nil {
			got = d.Field + ": " + d.Message
			if d.Code != CodeUnschedulable || d.Hint == "" {
				t.Errorf("%s: %+v", pod, d)
			}
		}
		if want == "" && got != "" || !strings.HasPrefix(got, want) {
			t.Errorf("%s gives %q, want %q", pod, got, want)
		}
		if d := Unfit(&spec, nil); d != nil {
			t.Errorf("%s: of no nodes nothing is known, but %+v", pod, d)
		}
	}
}
