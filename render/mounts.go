package render

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/shipit-dev/shipit/schema"
)

// mounter mounts volumes into the containers of one pod.
type mounter struct {
	s       *service
	volumes []schema.Volume // of the pod
	tmp     []string        // the names of those for /tmp, one for each container that needs it
}

func (s *service) newMounter(volumes []schema.Volume) *mounter {
	return &mounter{s: s, volumes: volumes}
}

// mount gives what a container mounts. Where its root file system is read-only,
// /tmp is writable, unless the user mounts something there. No two containers
// see each other's.
func (m *mounter) mount(at string, c schema.Container) ([]corev1.VolumeMount, error) {
	var mounts []corev1.VolumeMount
	given := slices.SortedStableFunc(slices.Values(c.Mounts), func(a, b schema.Mount) int {
		return cmp.Or(cmp.Compare(a.Volume, b.Volume), cmp.Compare(a.Path, b.Path))
	})
	if !c.Security.WritableRoot && !slices.ContainsFunc(given, func(g schema.Mount) bool { return path.Clean(g.Path) == "/tmp" }) {
		name := m.tmpFor(at, c.Name)
		m.tmp = append(m.tmp, name)
		mounts = append(mounts, corev1.VolumeMount{Name: name, MountPath: "/tmp"})
	}
	for _, g := range given {
		if !slices.ContainsFunc(m.volumes, func(v schema.Volume) bool { return v.Name == g.Volume }) {
			return nil, m.s.wrong(at+"mounts."+g.Volume, fmt.Errorf("the service has no volume %q", g.Volume))
		}
		mounts = append(mounts, corev1.VolumeMount{Name: g.Volume, MountPath: g.Path, ReadOnly: g.ReadOnly, SubPath: g.SubPath})
	}
	return mounts, nil
}

// tmpFor gives a name that no other volume has. That of the service's own
// container is what it was before there were others: else its pods would be
// replaced when another container is added elsewhere.
func (m *mounter) tmpFor(at, container string) string {
	name := "tmp"
	if at != "" {
		name = strings.TrimRight(("tmp-" + container)[:min(len(container)+4, longest)], "-")
	}
	for slices.Contains(m.tmp, name) || slices.ContainsFunc(m.volumes, func(v schema.Volume) bool { return v.Name == name }) {
		name += "-dir"
	}
	return name
}
