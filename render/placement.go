package render

import (
	"cmp"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shipit-dev/shipit/schema"
)

// preferred is the weight of what is only preferred, of 1 to 100: all of it alike.
const preferred = 100

// place says beside whom the pods run. What of the placement is about nodes
// alone is in basePod, as it is for the service's tasks too.
func (s *service) place(pod *corev1.PodSpec) {
	affinity := &corev1.Affinity{}
	if required, soft := s.affinities(s.Placement.Near); len(required)+len(soft) > 0 {
		affinity.PodAffinity = &corev1.PodAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution:  required,
			PreferredDuringSchedulingIgnoredDuringExecution: soft,
		}
	}
	if required, soft := s.affinities(s.Placement.Apart); len(required)+len(soft) > 0 {
		affinity.PodAntiAffinity = &corev1.PodAntiAffinity{
			RequiredDuringSchedulingIgnoredDuringExecution:  required,
			PreferredDuringSchedulingIgnoredDuringExecution: soft,
		}
	}
	if affinity.PodAffinity != nil || affinity.PodAntiAffinity != nil {
		pod.Affinity = affinity
	}
	for _, spread := range sorted(s.Placement.Spread, func(p schema.Spread) string { return p.Topology }) {
		c := corev1.TopologySpreadConstraint{
			MaxSkew:           cmp.Or(spread.MaxSkew, 1),
			TopologyKey:       cmp.Or(spread.Topology, corev1.LabelHostname),
			WhenUnsatisfiable: corev1.ScheduleAnyway,
			LabelSelector:     &metav1.LabelSelector{MatchLabels: s.selector},
		}
		if spread.Required {
			c.WhenUnsatisfiable = corev1.DoNotSchedule
		}
		if s.kind() == schema.Deployment { // the pods of a revision that goes are no reason for where the next are
			c.MatchLabelKeys = []string{"pod-template-hash"}
		}
		pod.TopologySpreadConstraints = append(pod.TopologySpreadConstraints, c)
	}
}

func (s *service) affinities(given []schema.Affinity) (required []corev1.PodAffinityTerm, soft []corev1.WeightedPodAffinityTerm) {
	for _, a := range sorted(given, func(a schema.Affinity) string { return a.Service + "/" + a.Topology }) {
		term := corev1.PodAffinityTerm{
			LabelSelector: &metav1.LabelSelector{MatchLabels: s.podsOf(a.Service)},
			TopologyKey:   cmp.Or(a.Topology, corev1.LabelHostname),
		}
		if a.Required {
			required = append(required, term)
		} else {
			soft = append(soft, corev1.WeightedPodAffinityTerm{Weight: preferred, PodAffinityTerm: term})
		}
	}
	return required, soft
}

// podsOf are the labels of the pods of a service of the app.
func (s *service) podsOf(service string) map[string]string {
	return map[string]string{LabelName: service, LabelPartOf: s.app.Name}
}

func (s *service) tolerations() []corev1.Toleration {
	var list []corev1.Toleration
	for _, t := range sorted(s.Placement.Tolerations, func(t schema.Toleration) string { return t.Name }) {
		operator := corev1.TolerationOpExists
		if t.Value != "" {
			operator = corev1.TolerationOpEqual
		}
		list = append(list, corev1.Toleration{
			Key:               t.Key,
			Operator:          cmp.Or(corev1.TolerationOperator(t.Operator), operator),
			Value:             t.Value,
			Effect:            corev1.TaintEffect(t.Effect),
			TolerationSeconds: t.Seconds,
		})
	}
	return list
}
