package apply_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	"github.com/shipit-dev/shipit/apply"
)

// A program that logs its secrets and exits: none is said, by whoever looks, and none is
// recorded.
func TestSecretInLogs(t *testing.T) {
	e := newEnv(t)
	const password, file = "hunter2 hunter2", "-----BEGIN KEY-----\nfirst-line-of-it\nsecond-line-of-it\n-----END KEY-----\n"
	in64 := func(v string) string { return base64.StdEncoding.EncodeToString([]byte(v)) }
	u := e.unit(service{env: map[string]string{"EXIT": "3"}})
	u.Objects = append(u.Objects, e.object("web", fmt.Sprintf("apiVersion: v1\nkind: Secret\nmetadata: {name: web}\nstringData: {password: %q, file: %q, port: \"8080\"}", password, file)))
	var container map[string]any
	for _, o := range u.Objects {
		if o.GetKind() == "Deployment" {
			list, _, _ := unstructured.NestedSlice(o.Object, "spec", "template", "spec", "containers")
			container = list[0].(map[string]any)
			of := func(name, key string) any {
				return map[string]any{"name": name, "valueFrom": map[string]any{"secretKeyRef": map[string]any{"name": "web", "key": key}}}
			}
			container["env"] = append(container["env"].([]any), of("P", "password"), of("F", "file"),
				map[string]any{"name": "VERSION", "value": "password is $(P) (" + in64(password) + ") of $(F)"})
			check(t, unstructured.SetNestedSlice(o.Object, list, "spec", "template", "spec", "containers"))
		}
	}
	var said []string
	say := func(what string, v any) { said = append(said, fmt.Sprintf("%s: %+v", what, v)) }
	_, err := e.deploy(e.ctx, apply.Request{Units: []apply.Unit{u}, NoRollback: true}, func(ev apply.Event) {
		say("event", ev)
		if ev.Diagnosis != nil {
			say("event", *ev.Diagnosis)
		}
	})
	var rollout *apply.RolloutError
	if !errors.As(err, &rollout) || len(rollout.Diagnoses) == 0 {
		t.Fatal(err)
	}
	d := *rollout.Diagnoses[0]
	say("diagnosis", d)
	if log := strings.Join(d.Logs, "\n"); !strings.Contains(log, "starting version password is *** (***) of ***\n***\n***\n***") {
		t.Errorf("logs: %s", log)
	}
	status := e.status("web") // of another client, which was told no secrets
	say("status", status)
	if status.Diagnosis != nil {
		say("status", *status.Diagnosis)
	}
	history, err := e.history("web")
	check(t, err)
	say("history", history)
	check(t, e.client().Logs(e.ctx, apply.LogsRequest{Unit: "web"}, func(l apply.LogLine) { say("log", l) }))
	all, err := kubernetes.NewForConfig(e.cfg)
	check(t, err)
	list, err := all.CoreV1().Secrets(e.ns).List(e.ctx, metav1.ListOptions{LabelSelector: "shipit.dev/app"})
	check(t, err)
	records := 0
	for _, s := range list.Items {
		if s.Type == corev1.SecretType("shipit.dev/outcome") || s.Type == corev1.SecretType("shipit.dev/index") {
			records++
			say(string(s.Type), decoded(t, s.Data["state"]))
		}
	}
	if records != 2 {
		t.Errorf("%d records", records)
	}
	for _, line := range said {
		for _, secret := range []string{password, in64(password), "first-line", "second-line"} {
			if strings.Contains(line, secret) {
				t.Errorf("%q is in %s", secret, line)
			}
		}
	}
}

// A conflict on a Secret names the field, and neither of the values.
func TestConflictOnASecret(t *testing.T) {
	e := newEnv(t)
	unit := func(value string) apply.Unit {
		u := e.unit(service{})
		u.Objects = append(u.Objects, e.object("web", "apiVersion: v1\nkind: Secret\nmetadata: {name: web}\nstringData: {password: "+value+"}"))
		return u
	}
	e.mustDeploy(unit("the-first-value"))
	theirs := base64.StdEncoding.EncodeToString([]byte("the-live-value"))
	_, err := e.dyn.Resource(secrets).Namespace(e.ns).Patch(e.ctx, "web", types.MergePatchType, []byte(`{"data":{"password":"`+theirs+`"}}`), metav1.PatchOptions{FieldManager: "somebody"})
	check(t, err)
	_, err = e.deploy(e.ctx, apply.Request{Units: []apply.Unit{unit("the-next-value")}}, nil)
	var conflict *apply.ConflictError
	if !errors.As(err, &conflict) || conflict.Field != ".data.password" || conflict.Manager != "somebody" {
		t.Fatalf("error %v", err)
	}
	for _, value := range []string{"the-first-value", "the-live-value", "the-next-value"} {
		for _, form := range []string{value, base64.StdEncoding.EncodeToString([]byte(value))} {
			if text := fmt.Sprintf("%v %+v", err, *conflict); strings.Contains(text, form) {
				t.Errorf("%q is in %s", form, text)
			}
		}
	}
}

// decoded is what a record says.
func decoded(t *testing.T, data []byte) string {
	t.Helper()
	r, err := zstd.NewReader(nil)
	check(t, err)
	defer r.Close()
	plain, err := r.DecodeAll(data, nil)
	check(t, err)
	return string(plain)
}
