// Package render turns an App and the digests of its images into Kubernetes
// objects: the same input always gives the same output, byte for byte. It has
// no clock, no network and no randomness, and changes nothing that it is given.
package render

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/schema"
)

// The labels of every object and pod
// (https://kubernetes.io/docs/concepts/overview/working-with-objects/common-labels).
// Name and part-of are the selectors too, which cannot change during an
// object's life: nothing that differs between releases may join them.
const (
	LabelName      = "app.kubernetes.io/name"
	LabelPartOf    = "app.kubernetes.io/part-of"
	LabelManagedBy = "app.kubernetes.io/managed-by"

	// ManagedBy is the value of LabelManagedBy.
	ManagedBy = "shipit"
)

// Unit is what one service is made of. Its objects are in the order in which
// they need each other: identity, config, storage and network come first, then
// the Jobs of tasks, and the workload last.
type Unit struct {
	Name     string        // the service's, or AppUnit
	Needs    []string      // units that must be healthy first
	Deadline time.Duration // to become healthy; 0 is computed from the probes
	Objects  []*unstructured.Unstructured
	Yielded  *Yielded // nil when the workload's replicas are its own
}

// Yielded says that the number of a workload's pods belongs to a
// HorizontalPodAutoscaler, which is among the unit's objects. The workload's
// object has its replicas all the same, for the release that creates it; from
// then on whoever applies it must leave the field to the live value.
type Yielded struct {
	Kind, Name string // of the workload
	Replicas   int32  // that it begins with, as its object says
}

// The annotations of a Job that is a task of its service. It is among the
// objects of its unit, and named by a hash of what it runs: one of the same name
// has run the same thing.
//
// A task of the phase PhaseBefore runs to its end before the workload changes.
// All that its pod refers to is then either new or named by its content: of the
// unit's objects before it, those that the cluster does not have must be made
// first, and none need be changed. The pods of a task have LabelTaskOf and no
// LabelName, by which a Service or a budget would take them for the workload's.
const (
	// AnnotationPhase is PhaseBefore or PhaseAfter.
	AnnotationPhase = "shipit.dev/phase"
	// AnnotationRun is schema.OnChange, when the task runs once under its name, or
	// schema.EveryDeploy, when it runs again under the same one.
	AnnotationRun = "shipit.dev/run"
	// LabelTask is the task's name.
	LabelTask = "shipit.dev/task"
	// LabelTaskOf is the service whose task it is.
	LabelTaskOf = "shipit.dev/task-of"

	PhaseBefore = "before" // the workload changes
	PhaseAfter  = "after"  // the workload is healthy
)

// AppUnit is the unit of what belongs to no service. It is no DNS label, so no
// service can be called so; nor is it a label's value: its objects have no
// LabelName.
const AppUnit = "_app"

// Options are what is not in the CUE.
type Options struct {
	// Only names the units to render; empty renders all. The services that are
	// left out are still known to those that call them.
	Only []string
	// Images maps a container to the reference that it runs, with a digest: that
	// of a service by the service's name, another by its path below "services.",
	// such as "web.sidecars.proxy", "web.init.wait" or "web.jobs.before.migrate".
	// One that is not in it keeps the reference it was written with; a task that
	// says nothing has the image of its service.
	Images map[string]string
	// Secrets has the values of secrets. Nil renders without them: a Secret has no
	// data then, and is named by a hash of where its values would come from.
	Secrets *Secrets
}

// Secrets are values, and the key under which their names are made, so that a
// name tells nothing about a value.
type Secrets struct {
	Key    []byte                                  // random, of the app in its namespace; never empty
	Values map[string]map[string]map[string][]byte // by service, secret and key
}

// Format keeps the key and the values out of whatever is printed.
func (Secrets) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[secrets]") }

// MissingImageError is a container that is built, for which Render was given no
// image.
type MissingImageError struct {
	Service   string
	Container string // its path in the service, such as "sidecars.proxy"; "" is the service's own
}

func (e *MissingImageError) Error() string {
	if e.Container != "" {
		return fmt.Sprintf("service %s: no image was built for %s", e.Service, e.Container)
	}
	return fmt.Sprintf("service %s: no image was built for it", e.Service)
}

// FieldError is a value that Kubernetes has no form for. schema refuses such
// values, so it tells of an App made in another way.
type FieldError struct {
	Path string // in the App: services.web.resources.cpu
	Err  error
}

func (e *FieldError) Error() string { return e.Path + ": " + e.Err.Error() }

// Unwrap gives the cause.
func (e *FieldError) Unwrap() error { return e.Err }

// Render gives a Unit per service, sorted by name, after AppUnit if anything
// belongs to no service.
//
// Objects hold only what is meant: no status, nulls or empty maps, and
// quantities as the API server writes them, so that server-side apply owns
// these fields and no others. What the server would add inside a list or map
// that is owned whole is written out, so that what is stored equals what is
// applied. Errors: *MissingImageError, *FieldError, and schema.Errors of all patches that
// contradict their objects.
func Render(app *schema.App, opts Options) ([]Unit, error) {
	wanted := func(unit string) bool { return len(opts.Only) == 0 || slices.Contains(opts.Only, unit) }
	units := make([]Unit, 0, len(app.Services)+1)
	if wanted(AppUnit) {
		objects, err := appObjects(app)
		if err != nil {
			return nil, err
		}
		if len(objects) > 0 {
			units = append(units, Unit{Name: AppUnit, Objects: objects})
		}
	}
	callees := make(map[string]*schema.Service, len(app.Services))
	for _, s := range app.Services {
		callees[s.Name] = s
	}
	var services []*schema.Service
	for _, s := range sorted(app.Services, func(s *schema.Service) string { return s.Name }) {
		if wanted(s.Name) {
			services = append(services, s)
		}
	}
	made := make([]Unit, len(services))
	failed := make([]error, len(services))
	var g errgroup.Group
	g.SetLimit(runtime.GOMAXPROCS(0))
	for i, s := range services {
		g.Go(func() error {
			made[i], failed[i] = newService(app, s, opts, callees).unit()
			return nil
		})
	}
	_ = g.Wait() // each has its own error
	if err := schema.Join(failed...); err != nil {
		return nil, err
	}
	units = append(units, made...)
	return units, distinct(units)
}

// distinct refuses two objects under one name: names are made of several with
// "-" between them, which they may have in them.
func distinct(units []Unit) error {
	type id struct{ group, kind, name string }
	seen := map[id]string{}
	for _, u := range units {
		for _, o := range u.Objects {
			gvk := o.GroupVersionKind()
			i := id{gvk.Group, gvk.Kind, o.GetNamespace() + "/" + o.GetName()}
			if other, ok := seen[i]; ok {
				path := "services." + u.Name
				if u.Name == AppUnit {
					path = "objects"
				}
				return &FieldError{Path: path, Err: fmt.Errorf("it has a %s named %s, and so has %s", i.kind, o.GetName(), other)}
			}
			seen[i] = u.Name
		}
	}
	return nil
}
