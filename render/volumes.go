package render

import (
	"errors"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/shipit-dev/shipit/schema"
)

// claims are the PersistentVolumeClaims that a workload of one set of pods has.
// A StatefulSet makes its own, one for each pod.
func (s *service) claims() ([]any, error) {
	if s.Workload == schema.StatefulSet {
		return nil, nil
	}
	var objects []any
	for _, v := range s.Volumes {
		if v.Claim == nil {
			continue
		}
		spec, err := s.claimSpec(v)
		if err != nil {
			return nil, err
		}
		objects = append(objects, &corev1.PersistentVolumeClaim{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"},
			ObjectMeta: s.meta(s.claimName(v)),
			Spec:       spec,
		})
	}
	return objects, nil
}

func (s *service) claimName(v schema.Volume) string { return s.Name + "-" + v.Name }

// claimTemplates are those of a StatefulSet, which the server owns as one list:
// all that it would add is written out. They can never change, so the app's
// labels, which can, are not on them.
func (s *service) claimTemplates() ([]corev1.PersistentVolumeClaim, error) {
	var templates []corev1.PersistentVolumeClaim
	for _, v := range s.Volumes {
		if v.Claim == nil {
			continue
		}
		spec, err := s.claimSpec(v)
		if err != nil {
			return nil, err
		}
		spec.VolumeMode = ptr.To(corev1.PersistentVolumeFilesystem)
		labels := map[string]string{LabelManagedBy: ManagedBy}
		for name, value := range s.selector {
			labels[name] = value
		}
		templates = append(templates, corev1.PersistentVolumeClaim{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "PersistentVolumeClaim"},
			ObjectMeta: metav1.ObjectMeta{Name: v.Name, Labels: labels},
			Spec:       spec,
			Status:     corev1.PersistentVolumeClaimStatus{Phase: corev1.ClaimPending},
		})
	}
	return templates, nil
}

func (s *service) claimSpec(v schema.Volume) (corev1.PersistentVolumeClaimSpec, error) {
	size, err := resource.ParseQuantity(v.Claim.Size)
	if err != nil {
		return corev1.PersistentVolumeClaimSpec{}, s.wrong("volumes."+v.Name+".size", err)
	}
	spec := corev1.PersistentVolumeClaimSpec{
		Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: size}},
	}
	for _, mode := range v.Claim.AccessModes {
		spec.AccessModes = append(spec.AccessModes, corev1.PersistentVolumeAccessMode(mode))
	}
	if len(spec.AccessModes) == 0 {
		spec.AccessModes = []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
	}
	if from := v.Claim.DataSource; from != nil {
		spec.DataSource = &corev1.TypedLocalObjectReference{Kind: from.Kind, Name: from.Name}
		if group, _, ok := strings.Cut(from.APIVersion, "/"); ok {
			spec.DataSource.APIGroup = &group
		}
	}
	if v.Claim.Class != "" {
		spec.StorageClassName = &v.Claim.Class
	}
	return spec, nil
}

// hasClaims reports whether pods keep anything on claims.
func (s *service) hasClaims() bool {
	return slices.ContainsFunc(s.Volumes, func(v schema.Volume) bool { return v.Claim != nil || v.ExistingClaim != "" })
}

// isTiedToANode reports whether a claim can only be mounted on one node at a
// time, so that a new pod may wait for ever for an old one to let go of it.
func (s *service) isTiedToANode() bool {
	return slices.ContainsFunc(s.Volumes, func(v schema.Volume) bool { return v.Claim != nil && v.Claim.OneNode() })
}

// podVolumes are those that m's containers mount, and the service's others.
func (s *service) podVolumes(m *mounter) ([]corev1.Volume, error) {
	var volumes []corev1.Volume
	for _, tmp := range m.tmp {
		volumes = append(volumes, corev1.Volume{Name: tmp, VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}})
	}
	for _, v := range m.volumes {
		if v.Claim != nil && s.Workload == schema.StatefulSet {
			continue // the claim template of that name
		}
		source, err := s.volumeSource(v)
		if err != nil {
			return nil, err
		}
		volumes = append(volumes, corev1.Volume{Name: v.Name, VolumeSource: source})
	}
	return volumes, nil
}

func (s *service) volumeSource(v schema.Volume) (source corev1.VolumeSource, err error) {
	switch {
	case v.Claim != nil:
		source.PersistentVolumeClaim = &corev1.PersistentVolumeClaimVolumeSource{ClaimName: s.claimName(v)}
	case v.ExistingClaim != "":
		source.PersistentVolumeClaim = &corev1.PersistentVolumeClaimVolumeSource{ClaimName: v.ExistingClaim}
	case v.EmptyDir != nil:
		return s.emptyDir(v)
	case v.HostPath != nil:
		source.HostPath = &corev1.HostPathVolumeSource{Path: v.HostPath.Path}
		if v.HostPath.Type != "" {
			source.HostPath.Type = ptr.To(corev1.HostPathType(v.HostPath.Type))
		}
	case v.Config != "":
		name, err := s.configMap(v.Config)
		if err != nil {
			return source, s.wrong("volumes."+v.Name, err)
		}
		source.ConfigMap = &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: name}, DefaultMode: v.Mode}
	case v.Secret != "":
		secret, err := s.secretOf(v.Secret)
		if err != nil {
			return source, s.wrong("volumes."+v.Name, err)
		}
		return s.secretVolume(secret, v.Mode), nil
	default:
		return source, s.wrong("volumes."+v.Name, errors.New("it has no source: none of size, claim, emptyDir, hostPath, config and secret is set"))
	}
	return source, nil
}

func (s *service) emptyDir(v schema.Volume) (corev1.VolumeSource, error) {
	dir := &corev1.EmptyDirVolumeSource{}
	if v.EmptyDir.Memory {
		dir.Medium = corev1.StorageMediumMemory
	}
	if v.EmptyDir.SizeLimit != "" {
		limit, err := resource.ParseQuantity(v.EmptyDir.SizeLimit)
		if err != nil {
			return corev1.VolumeSource{}, s.wrong("volumes."+v.Name+".emptyDir.sizeLimit", err)
		}
		dir.SizeLimit = &limit
	}
	return corev1.VolumeSource{EmptyDir: dir}, nil
}

// secretVolume has a file for each key: those of the service's own Secret, and
// those that exist elsewhere, under the names they have here.
func (s *service) secretVolume(secret schema.Secret, mode *int32) corev1.VolumeSource {
	own := s.secretObjects(secret.Name)
	var sources []corev1.VolumeProjection
	for _, name := range own {
		sources = append(sources, corev1.VolumeProjection{Secret: &corev1.SecretProjection{
			LocalObjectReference: corev1.LocalObjectReference{Name: name},
		}})
	}
	existing := map[string]*corev1.SecretProjection{}
	var names []string
	for _, k := range sorted(secret.Keys, func(k schema.SecretKey) string { return k.Key }) {
		if k.Existing == nil {
			continue
		}
		from := existing[k.Existing.Name]
		if from == nil {
			from = &corev1.SecretProjection{LocalObjectReference: corev1.LocalObjectReference{Name: k.Existing.Name}}
			existing[k.Existing.Name] = from
			names = append(names, k.Existing.Name)
		}
		from.Items = append(from.Items, corev1.KeyToPath{Key: k.Existing.Key, Path: k.Key})
	}
	if len(names) == 0 && len(own) == 1 {
		return corev1.VolumeSource{Secret: &corev1.SecretVolumeSource{SecretName: own[0], DefaultMode: mode}}
	}
	slices.Sort(names)
	for _, name := range names {
		sources = append(sources, corev1.VolumeProjection{Secret: existing[name]})
	}
	return corev1.VolumeSource{Projected: &corev1.ProjectedVolumeSource{Sources: sources, DefaultMode: mode}}
}
