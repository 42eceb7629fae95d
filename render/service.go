package render

import (
	"cmp"
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/utils/ptr"

	"github.com/shipit-dev/shipit/schema"
)

// service is one service on its way to objects.
type service struct {
	*schema.Service // with everything that has a name sorted by it
	app             *schema.App
	image           string
	values          *Secrets
	callees         map[string]*schema.Service // the app's services by name, as they were given

	// What many objects share. It is copied into each, and never changed.
	selector map[string]string
	labels   map[string]string

	// The names of the objects made of Config and Secrets, by the name in the CUE.
	// A secret whose keys all exist elsewhere makes no object.
	configMaps  map[string]string
	secretNames map[string]string
}

func newService(app *schema.App, given *schema.Service, image string, values *Secrets, callees map[string]*schema.Service) *service {
	s := *given
	s.Ports = sorted(s.Ports, func(p schema.Port) string { return p.Name })
	s.Env = sorted(s.Env, func(e schema.EnvVar) string { return e.Name })
	s.Config = sorted(s.Config, func(c schema.Config) string { return c.Name })
	s.Secrets = sorted(s.Secrets, func(c schema.Secret) string { return c.Name })
	s.Volumes = sorted(s.Volumes, func(v schema.Volume) string { return v.Name })
	s.Calls = sorted(s.Calls, func(c schema.Call) string { return c.Name })
	s.Expose = sorted(s.Expose, func(e schema.Expose) string { return e.Name })
	s.Pull = sorted(s.Pull, func(name string) string { return name })
	selector := map[string]string{LabelName: s.Name, LabelPartOf: app.Name}
	labels := appLabels(app)
	maps.Copy(labels, selector)
	return &service{Service: &s, app: app, image: image, values: values, callees: callees, selector: selector, labels: labels}
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

// objects are the service's, in the order of Unit.Objects.
func (s *service) objects() ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	add := func(typed ...any) error {
		for _, t := range typed {
			o, err := convert(t)
			if err != nil {
				return fmt.Errorf("service %s: %w", s.Name, err)
			}
			objects = append(objects, o)
		}
		return nil
	}
	// The workload's pods are made of the names that config and secrets give.
	for _, part := range []func() ([]any, error){s.identity, s.config, s.secrets, s.claims, s.network} {
		typed, err := part()
		if err != nil {
			return nil, err
		}
		if err := add(typed...); err != nil {
			return nil, err
		}
	}
	workload, err := s.workload()
	if err != nil {
		return nil, err
	}
	return append(objects, workload), nil
}

// meta is that of an object with the service's labels.
func (s *service) meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Name: name, Namespace: namespace(s.app), Labels: s.labels}
}

// wrong is an error at a path within the service.
func (s *service) wrong(path string, err error) error {
	return &FieldError{Path: "services." + s.Name + "." + path, Err: err}
}

// identity is the service's own ServiceAccount, which has no rights and no token
// in its pods.
func (s *service) identity() ([]any, error) {
	return []any{&corev1.ServiceAccount{
		TypeMeta:                     metav1.TypeMeta{APIVersion: "v1", Kind: "ServiceAccount"},
		ObjectMeta:                   s.meta(s.Name),
		AutomountServiceAccountToken: ptr.To(false),
	}}, nil
}
