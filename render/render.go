// Package render turns an App and the digests of its images into Kubernetes
// objects: the same input always gives the same output, byte for byte. It has
// no clock, no network and no randomness, and changes nothing that it is given.
package render

import (
	"fmt"
	"io"
	"slices"
	"time"

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
// they need each other: identity, config, storage and network come first, and
// the workload last.
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
	// Only names the units to render; empty renders all. The services that are
	// left out are still known to those that call them.
	Only []string
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
	Key    []byte                                  // random, of the app in its namespace; never empty
	Values map[string]map[string]map[string][]byte // by service, secret and key
}

// Format keeps the key and the values out of whatever is printed.
func (Secrets) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[secrets]") }

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

// Render gives a Unit per service, sorted by name, after AppUnit if anything
// belongs to no service.
//
// Objects hold only what is meant: no status, nulls or empty maps, and
// quantities as the API server writes them, so that server-side apply owns
// these fields and no others. What the server would add inside a list or map
// that is owned whole is written out, so that what is stored equals what is
// applied. Errors: *MissingImageError, *FieldError.
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
	for _, s := range sorted(app.Services, func(s *schema.Service) string { return s.Name }) {
		if !wanted(s.Name) {
			continue
		}
		image := opts.Images[s.Name]
		if image == "" {
			image = s.Image
		}
		if image == "" {
			return nil, &MissingImageError{Service: s.Name}
		}
		objects, err := newService(app, s, image, opts.Secrets, callees).objects()
		if err != nil {
			return nil, err
		}
		units = append(units, Unit{
			Name:     s.Name,
			Needs:    slices.Sorted(slices.Values(s.Needs)),
			Deadline: time.Duration(s.Rollout.DeadlineSeconds) * time.Second,
			Objects:  objects,
		})
	}
	return units, nil
}
