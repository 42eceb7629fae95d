package render

import (
	"cmp"
	"errors"
	"fmt"

	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/shipit-dev/shipit/schema"
)

// isScaled reports whether an autoscaler owns the number of pods.
func (s *service) isScaled() bool { return s.Autoscale != nil && s.Autoscale.Max > 0 }

// scaling is who changes the number and the size of the pods, and how many may be
// taken away at once.
func (s *service) scaling() ([]any, error) {
	var objects []any
	if s.Disruption != nil {
		objects = append(objects, s.budget())
	}
	if s.isScaled() {
		scaler, err := s.autoscaler()
		if err != nil {
			return nil, err
		}
		objects = append(objects, scaler)
	}
	if s.Autoscale != nil && s.Autoscale.Vertical != nil {
		objects = append(objects, s.verticalAutoscaler(*s.Autoscale.Vertical))
	}
	return objects, nil
}

// budget lets a pod go that is not healthy whatever the count: else one that
// never becomes so would keep its node from being drained.
func (s *service) budget() *policyv1.PodDisruptionBudget {
	spec := policyv1.PodDisruptionBudgetSpec{
		Selector:                   &metav1.LabelSelector{MatchLabels: s.selector},
		UnhealthyPodEvictionPolicy: ptr.To(policyv1.AlwaysAllow),
	}
	if s.Disruption.MinAvailable != "" {
		spec.MinAvailable = count(s.Disruption.MinAvailable)
	} else {
		spec.MaxUnavailable = count(s.Disruption.MaxUnavailable)
	}
	return &policyv1.PodDisruptionBudget{
		TypeMeta:   metav1.TypeMeta{APIVersion: "policy/v1", Kind: "PodDisruptionBudget"},
		ObjectMeta: s.meta(s.Name),
		Spec:       spec,
	}
}

func (s *service) autoscaler() (*autoscalingv2.HorizontalPodAutoscaler, error) {
	a := s.Autoscale
	var metrics []autoscalingv2.MetricSpec
	for _, r := range []struct {
		name   corev1.ResourceName
		target *schema.ScaleTarget
	}{{corev1.ResourceCPU, a.CPU}, {corev1.ResourceMemory, a.Memory}} {
		if r.target == nil {
			continue
		}
		target := autoscalingv2.MetricTarget{Type: autoscalingv2.UtilizationMetricType, AverageUtilization: &r.target.Utilization}
		if r.target.AverageValue != "" {
			var err error
			if target, err = metricTarget("", r.target.AverageValue); err != nil {
				return nil, s.wrong("autoscale."+string(r.name), err)
			}
		}
		metrics = append(metrics, autoscalingv2.MetricSpec{
			Type:     autoscalingv2.ResourceMetricSourceType,
			Resource: &autoscalingv2.ResourceMetricSource{Name: r.name, Target: target},
		})
	}
	for _, m := range sorted(a.Metrics, func(m schema.Metric) string { return m.Name }) {
		spec, err := metricSpec(m)
		if err != nil {
			return nil, s.wrong("autoscale.metrics."+m.Name, err)
		}
		metrics = append(metrics, spec)
	}
	behavior, err := s.behavior()
	if err != nil {
		return nil, err
	}
	return &autoscalingv2.HorizontalPodAutoscaler{
		TypeMeta:   metav1.TypeMeta{APIVersion: "autoscaling/v2", Kind: "HorizontalPodAutoscaler"},
		ObjectMeta: s.meta(s.Name),
		Spec: autoscalingv2.HorizontalPodAutoscalerSpec{
			ScaleTargetRef: autoscalingv2.CrossVersionObjectReference{APIVersion: "apps/v1", Kind: s.kind(), Name: s.Name},
			MinReplicas:    ptr.To(cmp.Or(a.Min, 1)),
			MaxReplicas:    a.Max,
			Metrics:        metrics,
			Behavior:       behavior,
		},
	}, nil
}

func metricSpec(m schema.Metric) (spec autoscalingv2.MetricSpec, err error) {
	metric := autoscalingv2.MetricIdentifier{Name: cmp.Or(m.Metric, m.Name)}
	if len(m.Selector) > 0 {
		metric.Selector = &metav1.LabelSelector{MatchLabels: m.Selector}
	}
	target, err := metricTarget(m.Value, m.AverageValue)
	if err != nil {
		return spec, err
	}
	spec.Type = autoscalingv2.MetricSourceType(m.Kind)
	switch spec.Type {
	case autoscalingv2.PodsMetricSourceType:
		spec.Pods = &autoscalingv2.PodsMetricSource{Metric: metric, Target: target}
	case autoscalingv2.ObjectMetricSourceType:
		object := autoscalingv2.CrossVersionObjectReference{APIVersion: m.Object.APIVersion, Kind: m.Object.Kind, Name: m.Object.Name}
		spec.Object = &autoscalingv2.ObjectMetricSource{DescribedObject: object, Metric: metric, Target: target}
	case autoscalingv2.ExternalMetricSourceType:
		spec.External = &autoscalingv2.ExternalMetricSource{Metric: metric, Target: target}
	default:
		return spec, fmt.Errorf("there are no metrics of kind %q", m.Kind)
	}
	return spec, nil
}

// metricTarget aims at a value in all, or for each pod.
func metricTarget(value, average string) (t autoscalingv2.MetricTarget, err error) {
	t.Type = autoscalingv2.ValueMetricType
	q := &t.Value
	if average != "" {
		t.Type, q, value = autoscalingv2.AverageValueMetricType, &t.AverageValue, average
	}
	if value == "" {
		return t, errors.New("it has no target")
	}
	parsed, err := resource.ParseQuantity(value)
	*q = &parsed
	return t, err
}

func (s *service) behavior() (*autoscalingv2.HorizontalPodAutoscalerBehavior, error) {
	b := &autoscalingv2.HorizontalPodAutoscalerBehavior{}
	for _, d := range []struct {
		name  string
		rules *schema.ScalingRules
		to    **autoscalingv2.HPAScalingRules
	}{{"scaleUp", s.Autoscale.Behavior.ScaleUp, &b.ScaleUp}, {"scaleDown", s.Autoscale.Behavior.ScaleDown, &b.ScaleDown}} {
		if d.rules == nil {
			continue
		}
		to := &autoscalingv2.HPAScalingRules{StabilizationWindowSeconds: d.rules.StabilizationWindowSeconds}
		if d.rules.SelectPolicy != "" {
			to.SelectPolicy = ptr.To(autoscalingv2.ScalingPolicySelect(d.rules.SelectPolicy))
		}
		for _, p := range sorted(d.rules.Policies, func(p schema.ScalingPolicy) string { return p.Name }) {
			to.Policies = append(to.Policies, autoscalingv2.HPAScalingPolicy{
				Type: autoscalingv2.HPAScalingPolicyType(p.Type), Value: p.Value, PeriodSeconds: p.PeriodSeconds,
			})
		}
		if d.rules.Tolerance != "" {
			q, err := resource.ParseQuantity(d.rules.Tolerance)
			if err != nil {
				return nil, s.wrong("autoscale.behavior."+d.name+".tolerance", err)
			}
			to.Tolerance = &q
		}
		*d.to = to
	}
	if b.ScaleUp == nil && b.ScaleDown == nil {
		return nil, nil
	}
	return b, nil
}

// verticalAutoscaler changes what the service's own container asks for, and
// leaves alone what others put into its pods
// (https://github.com/kubernetes/autoscaler/tree/master/vertical-pod-autoscaler).
func (s *service) verticalAutoscaler(v schema.Vertical) any {
	own := map[string]any{"containerName": s.Name, "mode": "Auto"}
	if len(v.Min) > 0 {
		own["minAllowed"] = anyMap(v.Min)
	}
	if len(v.Max) > 0 {
		own["maxAllowed"] = anyMap(v.Max)
	}
	return s.custom("autoscaling.k8s.io/v1", "VerticalPodAutoscaler", s.Name, nil, map[string]any{
		"targetRef":    map[string]any{"apiVersion": s.workloadVersion(), "kind": s.kind(), "name": s.Name},
		"updatePolicy": map[string]any{"updateMode": cmp.Or(v.Mode, "Recreate")},
		"resourcePolicy": map[string]any{
			"containerPolicies": []any{own, map[string]any{"containerName": "*", "mode": "Off"}},
		},
	})
}

// workloadVersion is the API of the workload's kind.
func (s *service) workloadVersion() string {
	if s.ends() {
		return "batch/v1"
	}
	return "apps/v1"
}
