package invariant

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/klauspost/compress/zstd"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/json"
	"k8s.io/client-go/dynamic"
)

// Ref names an object, whatever the version of its kind.
type Ref struct{ Group, Kind, Name string }

func (r Ref) String() string { return r.Kind + " " + r.Name }

// State is all that there is of one app.
type State struct {
	App     string
	Index   *Index
	Intents map[string]*Intent // by deploy; those that can be read
	Records map[string]bool    // the deploys of which there is an intent or an outcome
	Leases  []string
	Objects map[Ref]*unstructured.Unstructured // with the app's labels, and made by no controller
	Pods    []Pod                              // that are not on their way out
}

// Index is what the tests need of the index.
type Index struct {
	Units  map[string]*Unit `json:"units"`
	Recent []string         `json:"recent"`
}

// Unit is a service in the index.
type Unit struct {
	State    string    `json:"state"`
	Release  int       `json:"release"`
	Healthy  int       `json:"healthy"`
	Last     int       `json:"last"`
	Deploy   string    `json:"deploy"`
	Lock     *Lock     `json:"lock"`
	Releases []Release `json:"releases"`
}

// Lock is who moves a unit.
type Lock struct {
	Deploy string `json:"deploy"`
}

// Release is one of a unit's history.
type Release struct {
	Number  int    `json:"number"`
	Deploy  string `json:"deploy"`
	Outcome string `json:"outcome"`
	Hashed  []struct {
		APIVersion string `json:"apiVersion"`
		Kind       string `json:"kind"`
		Name       string `json:"name"`
	} `json:"hashed"`
}

// Intent is what a deploy wanted.
type Intent struct {
	Units map[string]struct {
		Release int              `json:"release"`
		From    int              `json:"from"`
		Record  string           `json:"record"`
		Objects []map[string]any `json:"objects"`
	} `json:"units"`
}

// Pod is a pod of the app.
type Pod struct {
	Name, UID, Unit, Version string
	Restarts                 int64
	Ready                    bool
}

// kinds are what is looked for.
var kinds = []schema.GroupVersionResource{
	{Version: "v1", Resource: "configmaps"},
	{Version: "v1", Resource: "secrets"},
	{Version: "v1", Resource: "services"},
	{Version: "v1", Resource: "serviceaccounts"},
	{Version: "v1", Resource: "persistentvolumeclaims"},
	{Version: "v1", Resource: "resourcequotas"},
	{Version: "v1", Resource: "pods"},
	{Group: "apps", Version: "v1", Resource: "deployments"},
	{Group: "apps", Version: "v1", Resource: "statefulsets"},
	{Group: "apps", Version: "v1", Resource: "daemonsets"},
	{Group: "batch", Version: "v1", Resource: "jobs"},
	{Group: "batch", Version: "v1", Resource: "cronjobs"},
	{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"},
	{Group: "networking.k8s.io", Version: "v1", Resource: "networkpolicies"},
	{Group: "autoscaling", Version: "v2", Resource: "horizontalpodautoscalers"},
	{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
	{Group: "coordination.k8s.io", Version: "v1", Resource: "leases"},
}

const (
	labelUnit  = "app.kubernetes.io/name"
	labelApp   = "app.kubernetes.io/part-of"
	labelState = "shipit.dev/state"
	labelOwner = "shipit.dev/app"
	labelID    = "shipit.dev/deploy"
)

// Look reads everything of an app in a namespace.
func Look(ctx context.Context, dyn dynamic.Interface, namespace, app string) (*State, error) {
	s := &State{App: app, Intents: map[string]*Intent{}, Records: map[string]bool{}, Objects: map[Ref]*unstructured.Unstructured{}}
	parts := map[string]map[string][]byte{} // of the intents: by deploy, by name
	for _, r := range kinds {
		list, err := dyn.Resource(r).Namespace(namespace).List(ctx, metav1.ListOptions{})
		if err != nil {
			return nil, fmt.Errorf("listing %s: %w", r.Resource, err)
		}
		for i := range list.Items {
			if err := s.add(&list.Items[i], parts); err != nil {
				return nil, err
			}
		}
	}
	for deploy, data := range parts {
		in := &Intent{}
		if decode(joined(data), in) == nil { // a killed deploy may have written a part of it
			s.Intents[deploy] = in
		}
	}
	return s, nil
}

// add puts one object where it belongs.
func (s *State) add(o *unstructured.Unstructured, parts map[string]map[string][]byte) error {
	labels := o.GetLabels()
	switch {
	case labels[labelOwner] == s.App && labels[labelState] != "":
		return s.addState(o, parts)
	case o.GetKind() == "Pod":
		if labels[labelApp] == s.App && o.GetDeletionTimestamp() == nil {
			s.Pods = append(s.Pods, podOf(o))
		}
	case labels[labelApp] == s.App && metav1.GetControllerOf(o) == nil:
		s.Objects[refOf(o)] = o
	}
	return nil
}

func (s *State) addState(o *unstructured.Unstructured, parts map[string]map[string][]byte) error {
	if o.GetKind() == "Lease" {
		s.Leases = append(s.Leases, o.GetName())
		return nil
	}
	deploy := o.GetLabels()[labelID]
	text, _, _ := unstructured.NestedString(o.Object, "data", "state")
	data, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return fmt.Errorf("%s: %w", refOf(o), err)
	}
	switch o.GetLabels()[labelState] {
	case "index":
		s.Index = &Index{}
		if err := decode(data, s.Index); err != nil {
			return fmt.Errorf("the index: %w", err)
		}
		return nil
	case "intent":
		if parts[deploy] == nil {
			parts[deploy] = map[string][]byte{}
		}
		parts[deploy][o.GetName()] = data
	}
	s.Records[deploy] = true
	return nil
}

// joined puts together what was split over Secrets: NAME, NAME-1, NAME-2…
func joined(parts map[string][]byte) []byte {
	names := make([]string, 0, len(parts))
	for name := range parts {
		names = append(names, name)
	}
	slices.SortFunc(names, func(a, b string) int {
		if d := len(a) - len(b); d != 0 {
			return d
		}
		return strings.Compare(a, b)
	})
	var out []byte
	for _, name := range names {
		out = append(out, parts[name]...)
	}
	return out
}

func decode(data []byte, v any) error {
	r, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return err
	}
	defer r.Close()
	plain, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	return json.Unmarshal(plain, v)
}

func refOf(o *unstructured.Unstructured) Ref {
	return Ref{o.GroupVersionKind().Group, o.GetKind(), o.GetName()}
}

func podOf(o *unstructured.Unstructured) Pod {
	p := Pod{Name: o.GetName(), UID: string(o.GetUID()), Unit: o.GetLabels()[labelUnit], Version: versionIn(o.Object, "spec")}
	statuses, _, _ := unstructured.NestedSlice(o.Object, "status", "containerStatuses")
	for _, raw := range statuses {
		status, _ := raw.(map[string]any)
		n, _, _ := unstructured.NestedInt64(status, "restartCount")
		p.Restarts += n
	}
	conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, raw := range conditions {
		c, _ := raw.(map[string]any)
		p.Ready = p.Ready || c["type"] == "Ready" && c["status"] == "True"
	}
	return p
}

// versionIn returns the variable VERSION of the containers of a pod's spec: how the
// tests tell releases apart.
func versionIn(object map[string]any, path ...string) string {
	containers, _, _ := unstructured.NestedSlice(object, append(path, "containers")...)
	for _, raw := range containers {
		c, _ := raw.(map[string]any)
		env, _, _ := unstructured.NestedSlice(c, "env")
		for _, raw := range env {
			if v, _ := raw.(map[string]any); v["name"] == "VERSION" {
				return fmt.Sprint(v["value"])
			}
		}
	}
	return ""
}
