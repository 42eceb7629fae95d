package render

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/schema"
)

// service is one service on its way to objects.
type service struct {
	*schema.Service // with everything that has a name sorted by it
	app             *schema.App
	images          map[string]string
	values          *Secrets
	callees         map[string]*schema.Service // the app's services by name, as they were given

	// What many objects share. It is copied into each, and never changed.
	selector map[string]string
	labels   map[string]string

	// The names of the objects made of Config and Secrets, by the name in the CUE.
	// A secret whose keys all exist elsewhere makes no object.
	configMaps    map[string]string
	secretNames   map[string]string
	externalNames map[string]string // of the Secrets that ExternalSecrets make

	conflicts schema.Errors // of patches, found on the way
}

func newService(app *schema.App, given *schema.Service, opts Options, callees map[string]*schema.Service) *service {
	s := *given
	s.Ports = sorted(s.Ports, func(p schema.Port) string { return p.Name })
	s.Env = sorted(s.Env, func(e schema.EnvVar) string { return e.Name })
	s.Config = sorted(s.Config, func(c schema.Config) string { return c.Name })
	s.Secrets = sorted(s.Secrets, func(c schema.Secret) string { return c.Name })
	s.Volumes = sorted(s.Volumes, func(v schema.Volume) string { return v.Name })
	s.Sidecars = sorted(s.Sidecars, func(c schema.Container) string { return c.Name })
	s.Init = slices.SortedStableFunc(slices.Values(s.Init), func(a, b schema.Container) int {
		return cmp.Or(cmp.Compare(a.Order, b.Order), cmp.Compare(a.Name, b.Name))
	})
	s.Before = sorted(s.Before, func(t schema.Task) string { return t.Name })
	s.After = sorted(s.After, func(t schema.Task) string { return t.Name })
	s.Calls = sorted(s.Calls, func(c schema.Call) string { return c.Name })
	s.Callers = sorted(s.Callers, func(c schema.Caller) string { return c.Name })
	s.Expose = sorted(s.Expose, func(e schema.Expose) string { return e.Name })
	s.Permissions = sorted(s.Permissions, func(p schema.Permission) string { return p.Name })
	s.Pull = sorted(s.Pull, func(name string) string { return name })
	selector := map[string]string{LabelName: s.Name, LabelPartOf: app.Name}
	labels := appLabels(app)
	maps.Copy(labels, s.Labels)
	labels[LabelManagedBy] = ManagedBy
	maps.Copy(labels, selector)
	return &service{Service: &s, app: app, images: opts.Images, values: opts.Secrets, callees: callees, selector: selector, labels: labels}
}

// sorted gives items in the order of their names, and leaves the given slice as
// it is.
func sorted[T any](items []T, name func(T) string) []T {
	byName := func(a, b T) int { return cmp.Compare(name(a), name(b)) }
	if slices.IsSortedFunc(items, byName) {
		return items
	}
	return slices.SortedStableFunc(slices.Values(items), byName)
}

// unit is the service's.
func (s *service) unit() (Unit, error) {
	u := Unit{
		Name:     s.Name,
		Needs:    slices.Sorted(slices.Values(s.Needs)),
		Deadline: time.Duration(s.Rollout.DeadlineSeconds) * time.Second,
	}
	if s.Workload == schema.CronJob { // the deadline is that of each run
		u.Deadline = 0
	}
	if s.isScaled() {
		u.Yielded = &Yielded{Kind: s.kind(), Name: s.Name, Replicas: s.Replicas}
	}
	// The workload's pods are made of the names that config and secrets give.
	for _, part := range []func() ([]any, error){
		s.identity, s.config, s.secrets, s.claims, s.network, s.scaling, s.monitors, s.tasks, s.workload,
	} {
		typed, err := part()
		if err != nil {
			return Unit{}, err
		}
		for _, t := range typed {
			o, err := s.finish(t)
			if err != nil {
				return Unit{}, err
			}
			u.Objects = append(u.Objects, o)
		}
	}
	if s.conflicts != nil {
		return Unit{}, s.conflicts
	}
	return u, nil
}

// finish gives an object with the service's patches, as the last thing that is
// done to it. What is done already is left as it is.
func (s *service) finish(object any) (*unstructured.Unstructured, error) {
	if done, ok := object.(*unstructured.Unstructured); ok {
		return done, nil
	}
	o, err := convert(object)
	if err != nil {
		return nil, fmt.Errorf("service %s: %w", s.Name, err)
	}
	if len(s.Patch) == 0 {
		return o, nil
	}
	fields, err := s.app.Patch(s.Name, o.GetKind(), o.Object)
	var conflicts schema.Errors
	switch {
	case errors.As(err, &conflicts): // those of other objects are told with it
		s.conflicts = append(s.conflicts, conflicts...)
		return o, nil
	case err != nil:
		return nil, err
	}
	return &unstructured.Unstructured{Object: fields}, nil
}

// kind is that of the workload.
func (s *service) kind() string { return cmp.Or(s.Workload, schema.Deployment) }

// meta is that of an object with the service's labels.
func (s *service) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: namespace(s.app), Labels: s.labels}
}

// workloadMeta is that of the service's workload.
func (s *service) workloadMeta() metav1.ObjectMeta {
	meta := s.meta(s.Name)
	meta.Annotations = s.annotations()
	return meta
}

// wrong is an error at a path within the service.
func (s *service) wrong(path string, err error) error {
	return &FieldError{Path: "services." + s.Name + "." + path, Err: err}
}
