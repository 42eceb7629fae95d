package openapi

import (
	"cmp"
	"fmt"
	"math"
	"strings"

	structuralschema "k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel"
	celmodel "k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel/model"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"k8s.io/apimachinery/pkg/util/version"
	apiservercel "k8s.io/apiserver/pkg/cel"
	"k8s.io/apiserver/pkg/cel/environment"
)

// ruleCostLimit is what one rule may be estimated to cost, times the elements it
// is evaluated for; allRulesCostLimit is for all of a version
// (apiextensions-apiserver, StaticEstimatedCostLimit).
const (
	ruleCostLimit     = 10_000_000
	allRulesCostLimit = 100_000_000
)

// definition checks a CustomResourceDefinition beyond its own fields: that its
// schemas are structural, and that their rules compile in the target version and
// are cheap enough.
func (w *walk) definition(d *definition) {
	if err := d.load(); err != nil {
		if len(d.invalid) == 0 {
			w.report(InvalidCRD, err.Error(), "", "")
		}
		for _, e := range d.invalid {
			w.reportAt(pathOf(w.object.Object, e.Field), InvalidCRD, strings.TrimPrefix(e.ErrorBody(), e.Type.String()+": "),
				"the schema of a custom resource must be structural", "")
		}
		return
	}
	for _, v := range d.crd.Spec.Versions {
		k := d.versions[v.Name]
		c := &compilation{walk: w, env: environment.MustBaseEnvSet(version.MajorMinor(1, uint(w.model.minor-1)))}
		c.schema(node{k.structural, celmodel.SchemaDeclType(k.structural, true), versionPath(d, v.Name), 1, true})
		if c.total > allRulesCostLimit {
			w.reportAt(pathOf(w.object.Object, versionPath(d, v.Name).String()), InvalidCRD,
				fmt.Sprintf("the rules of version %s cost %s too much together", v.Name, times(c.total, allRulesCostLimit)),
				costLimited, bound)
		}
	}
}

const (
	costLimited = "the API server limits the estimated cost of rules"
	bound       = "add maxItems, maxProperties and maxLength to what they read"
)

// compilation compiles the rules of one schema.
type compilation struct {
	walk  *walk
	env   *environment.EnvSet
	total uint64
}

// node is a place in a schema.
type node struct {
	schema   *structuralschema.Structural
	declared *apiservercel.DeclType
	path     *field.Path
	elements uint64 // how many values it may have in an object, or unlimited
	// same says that a value can be found again in the object as it was before, so
	// that rules may speak of oldSelf: elements of a list without keys cannot.
	same bool
}

// unlimited is the number of elements of what has no limit: the compiler knows
// better then, from the size that a request may have.
const unlimited = 0

// schema compiles the rules of n and of all below it.
func (c *compilation) schema(n node) {
	s := n.schema
	if n.declared == nil {
		return
	}
	c.rules(n)
	for name := range s.Properties {
		p := s.Properties[name]
		escaped, ok := apiservercel.Escape(name)
		if !ok {
			escaped = name
		}
		if f, ok := n.declared.Fields[escaped]; ok {
			c.schema(node{&p, f.Type, n.path.Child("properties").Key(name), n.elements, n.same && !isAtomic(s.XMapType)})
		}
	}
	if s.Items != nil {
		keyed := s.XListType != nil && *s.XListType == "map"
		c.schema(node{s.Items, n.declared.ElemType, n.path.Child("items"), many(n), n.same && keyed})
	}
	if a := s.AdditionalProperties; a != nil && a.Structural != nil {
		c.schema(node{a.Structural, n.declared.ElemType, n.path.Child("additionalProperties"), many(n), n.same && !isAtomic(s.XMapType)})
	}
}

func isAtomic(mapType *string) bool { return mapType != nil && *mapType == "atomic" }

// many is how many elements all values of the list or map n have.
func many(n node) uint64 {
	v := n.schema.ValueValidation
	if v == nil {
		return unlimited
	}
	limit := v.MaxItems
	if n.schema.Items == nil {
		limit = v.MaxProperties
	}
	if limit == nil || *limit < 0 {
		return unlimited
	}
	return product(n.elements, uint64(*limit))
}

func (c *compilation) rules(n node) {
	rules := n.schema.XValidations
	if len(rules) == 0 {
		return
	}
	path := n.path.Child("x-kubernetes-validations")
	results, err := cel.Compile(n.schema, n.declared, math.MaxInt64, c.env, cel.NewExpressionsEnvLoader())
	if err != nil {
		c.report(path, err.Error(), "", "")
		return
	}
	for i, r := range results {
		at := path.Index(i)
		if r.Error != nil {
			c.report(at.Child("rule"), "this does not compile: "+compileError(r.Error.Detail), rules[i].Rule, "")
			continue
		}
		c.cost(at.Child("rule"), r.MaxCost, cmp.Or(n.elements, r.MaxCardinality))
		if r.MessageExpressionError != nil {
			c.report(at.Child("messageExpression"), "this does not compile: "+compileError(r.MessageExpressionError.Detail),
				rules[i].MessageExpression, "")
		} else if r.MessageExpression != nil {
			c.cost(at.Child("messageExpression"), r.MessageExpressionMaxCost, 1)
		}
		switch {
		case r.UsesOldSelf && !n.same:
			c.report(at.Child("rule"), "oldSelf cannot be used here", "the elements of a list without keys cannot be told apart", "")
		case !r.UsesOldSelf && rules[i].OptionalOldSelf != nil:
			c.report(at.Child("optionalOldSelf"), "this has no sense, as the rule does not use oldSelf", "", "remove it")
		}
	}
}

// cost adds what an expression may cost, and reports it when it is too much.
func (c *compilation) cost(path *field.Path, each, elements uint64) {
	cost := product(each, elements)
	c.total = min(c.total+cost, math.MaxInt64)
	if cost > ruleCostLimit {
		c.report(path, fmt.Sprintf("this may cost %s too much", times(cost, ruleCostLimit)), costLimited, bound)
	}
}

// compileError gives what matters of "compilation failed: ERROR: <input>:1:5:
// undefined field 'b'" and the lines after it.
func compileError(detail string) string {
	line, _, _ := strings.Cut(detail, "\n")
	line = strings.TrimPrefix(line, "compilation failed: ")
	if after, ok := strings.CutPrefix(line, "ERROR: <input>:"); ok {
		if parts := strings.SplitN(after, ": ", 2); len(parts) == 2 {
			return parts[1]
		}
	}
	return line
}

func (c *compilation) report(path *field.Path, message, why, hint string) {
	c.walk.reportAt(pathOf(c.walk.object.Object, path.String()), InvalidCRD, message, why, hint)
}

func product(a, b uint64) uint64 {
	if a != 0 && b > math.MaxInt64/a {
		return math.MaxInt64
	}
	return a * b
}

func times(cost, limit uint64) string {
	if cost/limit > 100 {
		return "more than 100 times"
	}
	return fmt.Sprintf("%.1f times", float64(cost)/float64(limit))
}
