package openapi

import (
	"fmt"
	"slices"
	"strings"
	"sync"

	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/validation/field"
	celconfig "k8s.io/apiserver/pkg/apis/cel"

	"github.com/shipit-dev/shipit/internal/nearest"
)

// definition is a CustomResourceDefinition. Its schemas are large, so that they
// are read only when an object needs them. It is safe for concurrent use.
type definition struct {
	object *unstructured.Unstructured

	read     sync.Once
	err      error
	invalid  field.ErrorList // why a schema is not structural; err is then the first
	crd      apiextensions.CustomResourceDefinition
	versions map[string]*customKind
}

// customKind is one version of a definition.
type customKind struct {
	spec apiextensions.CustomResourceDefinitionVersion
	// status says that the status is written by itself, and dropped from what is
	// applied.
	status     bool
	structural *structuralschema.Structural
	validator  validation.SchemaValidator

	compile sync.Once
	rules   *cel.Validator
}

type groupKind struct{ group, kind string }

// definitions are those given, by the kind that they define. A later one wins.
type definitions map[groupKind]*definition

func isDefinition(o *unstructured.Unstructured) bool {
	return o.GetAPIVersion() == "apiextensions.k8s.io/v1" && o.GetKind() == "CustomResourceDefinition"
}

func (d definitions) add(o *unstructured.Unstructured) {
	group, _, _ := unstructured.NestedString(o.Object, "spec", "group")
	kind, _, _ := unstructured.NestedString(o.Object, "spec", "names", "kind")
	if isDefinition(o) && group != "" && kind != "" {
		d[groupKind{group, kind}] = &definition{object: o}
	}
}

// kinds lists the kinds of a group.
func (d definitions) kinds(group string) []string {
	var out []string
	for k := range d {
		if k.group == group {
			out = append(out, k.kind)
		}
	}
	slices.Sort(out)
	return out
}

// load reads the definition, once.
func (d *definition) load() error {
	d.read.Do(func() { d.err = d.decode() })
	return d.err
}

func (d *definition) decode() error {
	var v1 apiextensionsv1.CustomResourceDefinition
	fields, _ := plain(d.object.Object).(map[string]any)
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(fields, &v1); err != nil {
		return err
	}
	apiextensionsv1.SetDefaults_CustomResourceDefinition(&v1)
	apiextensionsv1.SetDefaults_CustomResourceDefinitionSpec(&v1.Spec)
	if err := apiextensionsv1.Convert_v1_CustomResourceDefinition_To_apiextensions_CustomResourceDefinition(&v1, &d.crd, nil); err != nil {
		return err
	}
	d.versions = map[string]*customKind{}
	for _, v := range d.crd.Spec.Versions {
		schema, err := apiextensions.GetSchemaForVersion(&d.crd, v.Name)
		if err != nil || schema == nil || schema.OpenAPIV3Schema == nil {
			return fmt.Errorf("version %s has no schema", v.Name)
		}
		k := &customKind{spec: v}
		if s, err := apiextensions.GetSubresourcesForVersion(&d.crd, v.Name); err == nil && s != nil {
			k.status = s.Status != nil
		}
		if k.structural, err = structuralschema.NewStructural(schema.OpenAPIV3Schema); err != nil {
			return fmt.Errorf("version %s: %w", v.Name, err)
		}
		d.invalid = structuralschema.ValidateStructural(versionPath(d, v.Name), k.structural)
		if len(d.invalid) > 0 {
			return d.invalid[0]
		}
		if k.validator, _, err = validation.NewSchemaValidator(schema.OpenAPIV3Schema); err != nil {
			return fmt.Errorf("version %s: %w", v.Name, err)
		}
		d.versions[v.Name] = k
	}
	return nil
}

// versionPath is where the schema of a version is in its definition.
func versionPath(d *definition, version string) *field.Path {
	i := slices.IndexFunc(d.crd.Spec.Versions, func(v apiextensions.CustomResourceDefinitionVersion) bool { return v.Name == version })
	return field.NewPath("spec", "versions").Index(i).Child("schema", "openAPIV3Schema")
}

// cel gives what evaluates the rules of the kind; nil when it has none.
func (k *customKind) cel() *cel.Validator {
	k.compile.Do(func() { k.rules = cel.NewValidator(k.structural, true, celconfig.PerCallLimit) })
	return k.rules
}

// customKindOf finds the definition's version for an object, and says what there
// is to say of it.
func (w *walk) customKindOf(id gvk, d *definition) *customKind {
	if err := d.load(); err != nil {
		w.report(UncheckedKind, fmt.Sprintf("the definition of %s is not valid, so that this is not checked", id.kind),
			err.Error(), "")
		return nil
	}
	k := d.versions[id.version]
	if k == nil || !k.spec.Served {
		var served []string
		for _, v := range d.crd.Spec.Versions {
			if v.Served {
				served = append(served, v.Name)
			}
		}
		w.report(UnknownKind, fmt.Sprintf("%s %s is not served", id.apiVersion(), id.kind),
			"its definition serves "+strings.Join(served, ", "), "")
		return nil
	}
	if k.spec.Deprecated {
		why := ""
		if k.spec.DeprecationWarning != nil {
			why = *k.spec.DeprecationWarning
		}
		w.report(DeprecatedAPI, fmt.Sprintf("%s %s is deprecated", id.apiVersion(), id.kind), why, "")
	}
	return k
}

// nearestCustom says what may be meant by a custom kind that nobody defines.
func (w *walk) nearestCustom(id gvk) string {
	if n := nearest.Name(id.kind, w.definitions.kinds(id.group)); n != "" {
		return "write " + n
	}
	return ""
}
