package render

import (
	"fmt"
	"testing"

	"github.com/shipit-dev/shipit/schema"
)

// /tmp is writable under a read-only root, once, and under a name that no other
// volume has.
func TestTmp(t *testing.T) {
	t.Parallel()
	dir := func(name, mount string) schema.Volume {
		return schema.Volume{Name: name, Mount: mount, EmptyDir: &schema.EmptyDir{}}
	}
	for _, test := range []struct {
		name     string
		volumes  []schema.Volume
		writable bool
		want     string
	}{
		{"by default", nil, false, "tmp:/tmp "},
		{"a writable root", nil, true, ""},
		{"the user's own", []schema.Volume{dir("scratch", "/tmp")}, false, "scratch:/tmp "},
		{"the user's own, with a slash", []schema.Volume{dir("tmp", "/tmp/")}, false, "tmp:/tmp/ "},
		{"below it", []schema.Volume{dir("cache", "/tmp/cache")}, false, "tmp:/tmp cache:/tmp/cache "},
		{"its name is taken", []schema.Volume{dir("tmp", "/var/tmp")}, false, "tmp-dir:/tmp tmp:/var/tmp "},
		{"both names are", []schema.Volume{dir("tmp-dir", "/b"), dir("tmp", "/a")}, false, "tmp-dir-dir:/tmp tmp:/a tmp-dir:/b "},
	} {
		pod := podOf(t, &schema.Service{Name: "web", Image: "web", Volumes: test.volumes, Security: schema.Security{WritableRoot: test.writable}})
		got := ""
		mounts := pod.Spec.Containers[0].VolumeMounts
		for i, m := range mounts {
			got += m.Name + ":" + m.MountPath + " "
			if v := pod.Spec.Volumes[i]; v.Name != m.Name || v.EmptyDir == nil {
				t.Errorf("%s: the volume of %s is %+v", test.name, m.Name, v)
			}
		}
		if got != test.want || len(mounts) != len(pod.Spec.Volumes) {
			t.Errorf("%s: got %q of %d volumes, want %q", test.name, got, len(pod.Spec.Volumes), test.want)
		}
	}
}

// The pods of a Deployment share one claim; those of a StatefulSet have one each.
func TestClaims(t *testing.T) {
	t.Parallel()
	for workload, want := range map[string]string{
		"":                 "[web-data] [web-data]",
		schema.Job:         "[web-data] [web-data]",
		schema.StatefulSet: "[] []",
	} {
		s := &schema.Service{Name: "web", Image: "web", Workload: workload, Volumes: []schema.Volume{{Name: "data", Mount: "/data", ReadOnly: true, Claim: &schema.Claim{Size: "1Gi"}}}}
		claims := names(find(t, &schema.App{Name: "app", Services: []*schema.Service{s}}, Options{}, "PersistentVolumeClaim"))
		pod := podOf(t, s)
		var used []string
		for _, v := range pod.Spec.Volumes {
			if v.PersistentVolumeClaim != nil {
				used = append(used, v.PersistentVolumeClaim.ClaimName)
			}
		}
		if got := fmt.Sprint(claims, used); got != want {
			t.Errorf("%q: got the claims, and those in use, %s; want %s", workload, got, want)
		}
		if m := pod.Spec.Containers[0].VolumeMounts[1]; m.Name != "data" || m.MountPath != "/data" || !m.ReadOnly {
			t.Errorf("%q: mounted as %+v", workload, m)
		}
	}
}
