// Package render turns an App and the digests of its images into Kubernetes
// objects: the same input always gives the same output, byte for byte. It has
// no clock, no network and no randomness, and changes nothing that it is given.
package render

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"

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
// they need each other: ServiceAccount, Service, workload.
type Unit struct {
	Name     string        // the service's, or AppUnit
	Needs    []string      // units that must be healthy first
	Deadline time.Duration // to become healthy; 0 is computed from the probes
	Objects  []*unstructured.Unstructured
}

// AppUnit is the unit of what belongs to no service. It is no DNS label, so no
// service can be called so; nor is it a label's value: its objects have no
// LabelName.
const AppUnit = "_app"

// Options are what is not in the CUE.
type Options struct {
	// Images maps a service to the reference that its pods run, with a digest; a
	// service that is not in it keeps the reference it was written with.
	Images map[string]string
	// Secrets has the values of secrets. Nil renders without them: a Secret has no
	// data then, and is named by a hash of where its values would come from.
	Secrets *Secrets
}

// Secrets are values, and the key under which their names are made, so that a
// name tells nothing about a value.
type Secrets struct {
	Key    []byte
	Values map[string]map[string]map[string][]byte // by service, secret and key
}

// MissingImageError is a service that is built, for which Render was given no image.
type MissingImageError struct{ Service string }

func (e *MissingImageError) Error() string {
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

// Render gives a Unit per service, sorted by name.
//
// Objects hold only what is meant: no status, nulls or empty maps, and
// quantities as the API server writes them, so that server-side apply owns
// these fields and no others. Errors: *MissingImageError, *FieldError.
func Render(app *schema.App, opts Options) ([]Unit, error) {
	services := slices.Clone(app.Services)
	slices.SortFunc(services, func(a, b *schema.Service) int { return cmp.Compare(a.Name, b.Name) })
	units := make([]Unit, 0, len(services))
	for _, s := range services {
		image := opts.Images[s.Name]
		if image == "" {
			image = s.Image
		}
		if image == "" {
			return nil, &MissingImageError{Service: s.Name}
		}
		objects, err := (&service{app: app, Service: s, image: image}).objects()
		if err != nil {
			return nil, err
		}
		units = append(units, Unit{Name: s.Name, Objects: objects})
	}
	return units, nil
}

// service is one service on its way to objects.
type service struct {
	*schema.Service
	app   *schema.App
	image string
}

func (s *service) objects() ([]*unstructured.Unstructured, error) {
	deployment, err := s.deployment()
	if err != nil {
		return nil, err
	}
	typed := []any{s.serviceAccount()}
	if len(s.Ports) > 0 {
		typed = append(typed, s.service())
	}
	typed = append(typed, deployment)
	objects := make([]*unstructured.Unstructured, len(typed))
	for i, t := range typed {
		if objects[i], err = convert(t); err != nil {
			return nil, fmt.Errorf("service %s: %w", s.Name, err)
		}
	}
	return objects, nil
}

// convert gives an object's fields without those that say nothing.
func convert(object any) (*unstructured.Unstructured, error) {
	fields, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	if err != nil {
		return nil, err
	}
	delete(fields, "status")
	prune(fields)
	return &unstructured.Unstructured{Object: fields}, nil
}

// prune removes nulls, empty maps and empty lists, from the inside out. An
// empty emptyDir is kept: being there is all it says.
func prune(fields map[string]any) {
	for key, value := range fields {
		if key == "emptyDir" {
			continue
		}
		switch v := value.(type) {
		case nil:
			delete(fields, key)
		case map[string]any:
			if prune(v); len(v) == 0 {
				delete(fields, key)
			}
		case []any:
			for _, item := range v {
				if m, ok := item.(map[string]any); ok {
					prune(m)
				}
			}
			if len(v) == 0 {
				delete(fields, key)
			}
		}
	}
}
