package schema

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/rule"
	"k8s.io/apimachinery/pkg/api/resource"
)

// volumes decodes what is mounted into a service's container.
func (d *decoder) volumes(n, service *node) []Volume {
	var list []Volume
	at := map[string]*node{}
	for _, f := range sorted(n) {
		if !f.is(cue.StructKind) {
			continue
		}
		v := d.volume(f, service)
		if other := at[v.Mount]; other != nil && v.Mount != "" {
			d.against(f.get("mount"), other, rule.SameMount, fmt.Sprintf("%s and %s are both mounted on %s", f.path, other.path, v.Mount),
				"a path shows one volume", "mount one of them elsewhere")
		}
		at[v.Mount] = f
		list = append(list, v)
	}
	return list
}

func (d *decoder) volume(n, service *node) Volume {
	v := Volume{
		Name:     n.name,
		ReadOnly: n.get("readOnly").bool(false),
		SubPath:  d.subPath(n.get("subPath")),
		Mode:     d.mode(n.get("mode")),

		ExistingClaim: n.get("claim").str(),
		Config:        n.get("config").str(),
		Secret:        n.get("secret").str(),
	}
	if mount := n.get("mount").str(); mount != "" {
		v.Mount = path.Clean(mount)
	}
	kinds := []string{"size", "claim", "emptyDir", "hostPath", "config", "secret"}
	d.oneOf(n, kinds, "is more than one kind of volume", "a volume is one thing",
		"does not say what is mounted", `write one of size: "1Gi" (a claim), claim: "NAME", emptyDir: {}, hostPath: "/PATH", config: "NAME", secret: "NAME"`)
	if size := n.get("size"); size != nil {
		v.Claim = &Claim{Size: d.bytes(size), Class: n.get("class").str(), AccessModes: n.get("accessModes").strings()}
		if v.Claim.AccessModes == nil {
			v.Claim.AccessModes = []string{"ReadWriteOnce"}
		}
		v.Claim.DataSource = dataSource(n.get("dataSource"))
	}
	d.fieldsOfVolume(n, kinds)
	if path := n.get("hostPath"); path.is(cue.StringKind) {
		v.HostPath = &HostPath{Path: path.text, Type: n.get("type").str()}
		if !service.get("security").get("hostPath").bool(false) {
			d.wrong(path, rule.HostPath, path.path+" is a folder of the node, which pods should not see", "what can read or write there can take over the node",
				"use a claim or an emptyDir, or write security: hostPath: true")
		}
	}
	if dir := n.get("emptyDir"); dir.is(cue.StructKind) {
		v.EmptyDir = &EmptyDir{SizeLimit: d.bytes(dir.get("sizeLimit")), Memory: dir.get("memory").bool(false)}
	}
	if v.Config != "" {
		d.named(n.get("config"), service, "config", "config", v.Config)
	}
	if v.Secret != "" {
		d.named(n.get("secret"), service, "secrets", "secret", v.Secret)
	}
	d.fileMount(n, n.get("mount"), n.get("subPath"), service)
	return v
}

// fieldsOf are the fields of a volume that only some kinds have.
var fieldsOf = []struct {
	field string
	kinds []string
	of    string
	why   string
}{
	{"class", []string{"size"}, "a claim", "only a volume with a size is a claim"},
	{"accessModes", []string{"size"}, "a claim", "only a volume with a size is a claim"},
	{"dataSource", []string{"size"}, "a claim", "only a volume with a size is a claim"},
	{"type", []string{"hostPath"}, "a hostPath", ""},
	{"mode", []string{"config", "secret"}, "a config or a secret", "other volumes have files of their own"},
}

// fieldsOfVolume checks that a volume has only what its kind has.
func (d *decoder) fieldsOfVolume(n *node, kinds []string) {
	some := slices.ContainsFunc(kinds, func(kind string) bool { return n.get(kind) != nil })
	for _, f := range fieldsOf {
		at := n.get(f.field)
		if at == nil || !some || slices.ContainsFunc(f.kinds, func(kind string) bool { return !n.missing(kind) }) {
			continue
		}
		d.wrong(at, rule.NotOfVolume, fmt.Sprintf("%s is of %s, which %s is not", at.path, f.of, n.path), f.why, "remove "+f.field)
	}
}

func dataSource(n *node) *ObjectRef {
	if !n.is(cue.StructKind) {
		return nil
	}
	if n.get("kind").str() == "PersistentVolumeClaim" {
		return &ObjectRef{"v1", "PersistentVolumeClaim", n.get("name").str()}
	}
	return &ObjectRef{"snapshot.storage.k8s.io/v1", "VolumeSnapshot", n.get("name").str()}
}

// bytes decodes a quantity of bytes.
func (d *decoder) bytes(n *node) string {
	if !n.is(cue.StringKind | cue.NumberKind) {
		return ""
	}
	const mebibyte = 1 << 20
	q, err := resource.ParseQuantity(n.text)
	switch {
	case err != nil:
		d.wrong(n, rule.WrongValue, fmt.Sprintf("%s must be a quantity, not %q", n.path, n.text), "", `write one such as "64Mi" or "1Gi"`)
	case q.CmpInt64(mebibyte) < 0:
		d.wrong(n, rule.QuantityUnit, fmt.Sprintf("%s is %s, which is less than one mebibyte", n.path, n.text),
			`it is counted in bytes, and "m" means thousandths`, mebibytes(n.text))
	}
	return n.text
}

// OneNode reports whether only the pods of one node, or one pod, may use a claim
// at a time.
func (c *Claim) OneNode() bool {
	return !slices.ContainsFunc(c.AccessModes, func(mode string) bool {
		return mode == "ReadWriteMany" || mode == "ReadOnlyMany"
	})
}

// shared checks that the pods of a Deployment can share its claims.
func (d *decoder) shared(n *node, s *Service) {
	if s.Workload != Deployment || s.most() < 2 {
		return
	}
	for i, v := range s.Volumes {
		if v.Claim == nil || !v.Claim.OneNode() {
			continue
		}
		volume := n.get("volumes").get(s.Volumes[i].Name)
		if volume.bad || !settled(volume, "accessModes") {
			continue
		}
		d.against(volume, n.get("replicas"), rule.ClaimShared,
			fmt.Sprintf("%s is one claim for %d pods, but only one node may use it at a time", volume.path, s.most()),
			fmt.Sprintf("a Deployment's pods share its claims, and this one is %s", strings.Join(v.Claim.AccessModes, ", ")),
			`write workload: "StatefulSet" for a claim for each pod, accessModes: ["ReadWriteMany"] if the storage can do that, or replicas: 1`)
	}
}
