package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"sigs.k8s.io/yaml"
)

// kube does to the cluster what somebody else would with kubectl:
//
//	kube apply FILE     makes or changes the objects of a file, in which $NS is the namespace
//	kube status FILE    writes the status of objects, as their controllers would
//	kube delete FILE    removes them
//	kube refused FILE   waits until the API server refuses an object, for a policy that is new
//	kube define FILE    makes CustomResourceDefinitions and waits until they are served
//	kube get API KIND [NAME]  prints the objects of the namespace as JSON, one a line
//	kube await API KIND NAME REGEXP  watches an object until its JSON matches
//	kube logs APP       prints what the pods of a service or of a task wrote
//	kube start CRONJOB  runs it now, and waits until it is done
func (c *testCluster) kube(ts *testscript.TestScript, neg bool, args []string) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	switch {
	case neg:
		ts.Fatalf("kube cannot be negated")
	case len(args) == 2 && args[0] == "start":
		c.startJob(ctx, ts, args[1])
	case len(args) == 2 && args[0] == "logs":
		c.logs(ctx, ts, args[1])
	case len(args) == 5 && args[0] == "await":
		re, err := regexp.Compile(args[4])
		ts.Check(err)
		r, err := c.resource(named(ts, args[1], args[2]))
		ts.Check(err)
		ts.Check(await(ctx, r, args[3], func(o *unstructured.Unstructured) bool {
			data, err := o.MarshalJSON()
			return err == nil && re.Match(data)
		}))
	case len(args) == 2 && args[0] != "get":
		for _, doc := range strings.Split(os.Expand(ts.ReadFile(args[1]), ts.Getenv), "---\n") {
			o := &unstructured.Unstructured{}
			ts.Check(yaml.Unmarshal([]byte(doc), &o.Object))
			ts.Check(c.change(ctx, args[0], o))
		}
	case len(args) >= 3 && args[0] == "get":
		c.print(ctx, ts, args[1], args[2], args[3:])
	default:
		ts.Fatalf("usage: kube apply|delete|define|refused FILE, get API KIND [NAME], await API KIND NAME REGEXP, logs APP, start CRONJOB")
	}
}

func (c *testCluster) change(ctx context.Context, how string, o *unstructured.Unstructured) error {
	r, err := c.resource(o)
	if err != nil {
		return err
	}
	switch how {
	case "delete":
		return r.Delete(ctx, o.GetName(), metav1.DeleteOptions{})
	case "refused":
		for ctx.Err() == nil {
			_, err = r.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: "somebody-else", DryRun: []string{metav1.DryRunAll}})
			if err != nil && strings.Contains(err.Error(), "denied request") {
				return nil
			}
			time.Sleep(50 * time.Millisecond) // nothing tells when a policy is in force
		}
		return fmt.Errorf("%s was never refused: %w", o.GetName(), errors.Join(ctx.Err(), err))
	case "status":
		_, err = r.ApplyStatus(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: "controller", Force: true})
		return err
	case "apply", "define":
		_, err = r.Apply(ctx, o.GetName(), o, metav1.ApplyOptions{FieldManager: "somebody-else", Force: true})
		if err != nil || how == "apply" {
			return err
		}
		return await(ctx, r, o.GetName(), has("Established"))
	}
	return fmt.Errorf("kube cannot %s", how)
}

// startJob makes a Job of a CronJob.
func (c *testCluster) startJob(ctx context.Context, ts *testscript.TestScript, name string) {
	batch := func(resource string) dynamic.ResourceInterface {
		return c.client.Resource(schema.GroupVersionResource{Group: "batch", Version: "v1", Resource: resource}).Namespace(ts.Getenv("NS"))
	}
	cron, err := batch("cronjobs").Get(ctx, name, metav1.GetOptions{})
	ts.Check(err)
	job, _, err := unstructured.NestedMap(cron.Object, "spec", "jobTemplate")
	ts.Check(err)
	o := &unstructured.Unstructured{Object: job}
	o.SetAPIVersion("batch/v1")
	o.SetKind("Job")
	o.SetGenerateName(name + "-")
	o.SetOwnerReferences([]metav1.OwnerReference{*metav1.NewControllerRef(cron, cron.GroupVersionKind())})
	o, err = batch("jobs").Create(ctx, o, metav1.CreateOptions{})
	ts.Check(err)
	ts.Check(await(ctx, batch("jobs"), o.GetName(), has("Complete")))
}

// logs prints the logs of all pods whose names start with one.
func (c *testCluster) logs(ctx context.Context, ts *testscript.TestScript, prefix string) {
	out := ts.Stdout()
	for _, pod := range c.list(ts, schema.GroupVersionResource{Version: "v1", Resource: "pods"}) {
		if !strings.HasPrefix(pod.GetName(), prefix+"-") {
			continue
		}
		data, err := c.rest.Get().AbsPath("/api/v1/namespaces", pod.GetNamespace(), "pods", pod.GetName(), "log").DoRaw(ctx)
		ts.Check(err)
		fmt.Fprintf(out, "%s", data)
	}
}

// await watches an object until it is as wanted.
func await(ctx context.Context, r dynamic.ResourceInterface, name string, wanted func(*unstructured.Unstructured) bool) error {
	w, err := r.Watch(ctx, metav1.ListOptions{FieldSelector: "metadata.name=" + name})
	if err != nil {
		return err
	}
	defer w.Stop()
	var last *unstructured.Unstructured
	for event := range w.ResultChan() {
		o, ok := event.Object.(*unstructured.Unstructured)
		if ok && wanted(o) {
			return nil
		}
		last = o
	}
	return fmt.Errorf("%s never was as wanted; it is %v", name, last)
}

// has wants a condition of an object.
func has(condition string) func(*unstructured.Unstructured) bool {
	return func(o *unstructured.Unstructured) bool {
		conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
		return slices.ContainsFunc(conditions, func(item any) bool {
			m, _ := item.(map[string]any)
			return m["type"] == condition && m["status"] == "True"
		})
	}
}

func named(ts *testscript.TestScript, api, kind string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{}
	o.SetAPIVersion(api)
	o.SetKind(kind)
	o.SetNamespace(ts.Getenv("NS"))
	return o
}

func (c *testCluster) print(ctx context.Context, ts *testscript.TestScript, api, kind string, names []string) {
	out := ts.Stdout()
	r, err := c.resource(named(ts, api, kind))
	ts.Check(err)
	list, err := r.List(ctx, metav1.ListOptions{})
	ts.Check(err)
	for _, item := range list.Items {
		if len(names) == 0 || slices.Contains(names, item.GetName()) {
			item.SetManagedFields(nil)
			data, err := item.MarshalJSON()
			ts.Check(err)
			fmt.Fprintf(out, "%s", data)
		}
	}
}

func (c *testCluster) resource(o *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	gvk := o.GroupVersionKind()
	plural, _ := meta.UnsafeGuessKindToResource(gvk)
	plural.Resource = strings.Replace(plural.Resource, "gatewaies", "gateways", 1) // the guess has its limits
	r := c.client.Resource(schema.GroupVersionResource{Group: gvk.Group, Version: gvk.Version, Resource: plural.Resource})
	if o.GetNamespace() == "" {
		return r, nil
	}
	return r.Namespace(o.GetNamespace()), nil
}

// objects prints every object of the namespace that an app could have made.
func (c *testCluster) objects(ts *testscript.TestScript, _ bool, _ []string) {
	out := ts.Stdout()
	for _, line := range c.all(ts) {
		fmt.Fprintln(out, line[0], line[1])
	}
}
