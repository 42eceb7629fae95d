package apply_test

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/apply"
)

// A claim that the failed deploy made and that was never bound holds nothing: it goes
// on the way back, of a first release as of another, also a StatefulSet's, so that it
// may be deployed mended. One that is bound stays.
func TestClaimThatWasNeverBoundGoes(t *testing.T) {
	e := newEnv(t)
	class := e.storageClass("")
	db := func(class string) apply.Unit {
		u := e.statefulSet("db", 1, "", "")
		templates, _, _ := unstructured.NestedSlice(u.Objects[3].Object, "spec", "volumeClaimTemplates")
		check(t, unstructured.SetNestedField(templates[0].(map[string]any), class, "spec", "storageClassName"))
		check(t, unstructured.SetNestedSlice(u.Objects[3].Object, templates, "spec", "volumeClaimTemplates"))
		return u
	}
	for _, u := range []apply.Unit{db("nowhere"), e.claiming("nowhere")} {
		res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{u}, Only: []string{u.Name}}, nil)
		if err == nil || res.Outcome != apply.Removed {
			t.Fatalf("first: %s, %v", res.Outcome, err)
		}
	}
	if left := e.things(claims); len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	e.mustDeploy(db(class), e.claiming(class))
	bound := e.things(claims)
	if len(bound) != 2 {
		t.Errorf("claims %v", bound)
	}

	more := e.deployment("web", "1", "volumeMounts: [{name: data, mountPath: /data}, {name: more, mountPath: /more}]",
		"volumes: [{name: data, persistentVolumeClaim: {claimName: web-data}}, {name: more, persistentVolumeClaim: {claimName: web-more}}]")
	for name, class := range map[string]string{"web-data": class, "web-more": "nowhere"} {
		more.Objects = append(more.Objects, e.object("web", "apiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: "+name+"}\nspec: {storageClassName: "+class+", accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Mi}}}"))
	}
	res, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{more}, Only: []string{"web"}}, nil)
	if err == nil || res.Outcome != apply.RolledBack {
		t.Fatalf("another claim: %s, %v", res.Outcome, err)
	}
	e.isAt("web", res.Units[0].Release)
	if _, err := e.dyn.Resource(claims).Namespace(e.ns).Get(e.ctx, "web-more", metav1.GetOptions{}); err == nil {
		t.Error("the other claim is there")
	}
	for name := range bound {
		if _, there := e.things(claims)[name]; !there {
			t.Errorf("%s is gone", name)
		}
	}
}

// So it is when the deploy that made it was killed: the mended one is not refused.
func TestUnboundClaimOfAKilledDeploy(t *testing.T) {
	e := newEnv(t)
	class := e.storageClass("")
	c := e.child(childDeploy{Units: []apply.Unit{e.claiming("nowhere")}})
	if !c.until(string(apply.EventWaiting)) {
		t.Fatalf("the deploy says %q", strings.Join(c.said, "\n"))
	}
	check(t, c.cmd.Process.Kill())
	c.wait()
	e.mustDeploy(e.claiming(class))
}
