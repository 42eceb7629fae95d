package apply_test

import (
	"os"
	"path/filepath"
	"strings"

	"github.com/shipit-dev/shipit/internal/faultproxy"
	"github.com/shipit-dev/shipit/internal/invariant"
)

// behind is e, and its children, whose requests go through a proxy that can break them.
// What looks at the cluster (e.dyn) does not.
func (e *env) behind() (*env, *faultproxy.Proxy) {
	e.Helper()
	p, err := faultproxy.New(e.cfg)
	check(e.T, err)
	e.Cleanup(p.Close)
	out := *e
	out.cfg = p.Config()
	out.kubeconfig = filepath.Join(e.TempDir(), "kubeconfig")
	check(e.T, os.WriteFile(out.kubeconfig, p.Kubeconfig("proxy"), 0o600))
	return &out, p
}

// settled fails unless what is there of the app is a known, healthy state, as package
// invariant reads it, waiting for controllers to be done.
func (e *env) settled() *invariant.State {
	e.Helper()
	var state *invariant.State
	e.polls(func() (string, bool) {
		s, err := invariant.Look(e.ctx, e.dyn, e.ns, e.owner.App)
		check(e.T, err)
		state = s
		wrong := s.Settled()
		return "not settled:\n  " + strings.Join(wrong, "\n  "), len(wrong) == 0
	})
	return state
}
