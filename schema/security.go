package schema

import "github.com/shipit-dev/shipit/schema/rule"
import "cuelang.org/go/cue"

// security decodes how the hardened defaults of a container are relaxed.
func (d *decoder) security(n *node) Security {
	s := Security{
		RunAsUser:                id(n.get("runAsUser")),
		RunAsGroup:               id(n.get("runAsGroup")),
		FSGroup:                  id(n.get("fsGroup")),
		AllowRoot:                !n.get("runAsNonRoot").bool(true),
		WritableRoot:             !n.get("readOnlyRootFilesystem").bool(true),
		AddCapabilities:          n.get("capabilities").get("add").strings(),
		AllowPrivilegeEscalation: n.get("allowPrivilegeEscalation").bool(false),
		Privileged:               n.get("privileged").bool(false),
		Seccomp:                  n.get("seccompProfile").str(),
		FSGroupChangePolicy:      n.get("fsGroupChangePolicy").str(),
		HostPath:                 n.get("hostPath").bool(false),
		HostNetwork:              n.get("hostNetwork").bool(false),
		HostPID:                  n.get("hostPID").bool(false),
		HostIPC:                  n.get("hostIPC").bool(false),
	}
	if groups := n.get("supplementalGroups"); groups.is(cue.ListKind) {
		for _, g := range groups.items {
			s.SupplementalGroups = append(s.SupplementalGroups, g.int64())
		}
	}
	if at := n.get("allowPrivilegeEscalation"); s.Privileged && at.is(cue.BoolKind) && !s.AllowPrivilegeEscalation {
		d.against(at, n.get("privileged"), rule.PrivilegedEscalation, at.path+" is false, but the container is privileged", "a privileged container can do anything", "remove it")
	}
	if s.RunAsUser != nil && *s.RunAsUser == 0 && !s.AllowRoot {
		user := n.get("runAsUser")
		d.wrong(user, rule.RootUser, user.path+" is 0, which is root, but it may not run as root",
			"runAsNonRoot is true unless said otherwise, so the container would never start",
			"use another user, or write runAsNonRoot: false beside it")
	}
	return s
}

func id(n *node) *int64 {
	if !n.is(cue.IntKind) {
		return nil
	}
	i := n.int64()
	return &i
}
