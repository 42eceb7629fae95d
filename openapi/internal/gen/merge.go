package main

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/shipit-dev/shipit/openapi/internal/table"
)

// merger lays the specifications of several releases over each other.
type merger struct {
	kinds     map[gvk]*table.Kind
	lifecycle map[gvk]lifecycle
	defs      []table.Def
	number    map[string]int // name of a schema → its def
}

func newMerger() *merger {
	return &merger{kinds: map[gvk]*table.Kind{}, lifecycle: map[gvk]lifecycle{}, number: map[string]int{}}
}

// add lays the specification s of release number i over the others: the kinds
// that it serves, and all that they refer to.
func (m *merger) add(i int, s *spec) error {
	in := table.Mask(1) << i
	kinds := make([]gvk, 0, len(s.kinds))
	for k := range s.kinds {
		kinds = append(kinds, k)
	}
	slices.SortFunc(kinds, compareGVK)
	done := map[string]bool{}
	for _, k := range kinds {
		name, ok := s.schemaOf(k)
		if !ok {
			return fmt.Errorf("%v has no schema", k)
		}
		if err := m.def(in, s, name, done); err != nil {
			return err
		}
		t := m.kinds[k]
		if t == nil {
			t = &table.Kind{Group: k.Group, Version: k.Version, Kind: k.Kind, Def: m.number[name]}
			m.kinds[k] = t
		}
		t.In |= in
		t.Namespaced, t.Kept = s.kinds[k].namespaced, s.kinds[k].kept
	}
	return nil
}

func compareGVK(a, b gvk) int {
	return slices.Compare([]string{a.Group, a.Kind, a.Version}, []string{b.Group, b.Kind, b.Version})
}

// def merges the schema called name, and those it refers to.
func (m *merger) def(in table.Mask, s *spec, name string, done map[string]bool) error {
	if done[name] {
		return nil
	}
	done[name] = true
	n := m.numberOf(name)
	x := s.schemas[name]
	for _, field := range sortedKeys(x.Properties) {
		t, err := m.typ(in, s, x.Properties[field], done)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", name, field, err)
		}
		f := table.Field{Name: field, In: in, Type: t}
		if slices.Contains(x.Required, field) {
			f.Required = in
		}
		m.field(n, f)
	}
	return nil
}

func (m *merger) numberOf(name string) int {
	n, ok := m.number[name]
	if !ok {
		n = len(m.defs)
		m.number[name] = n
		m.defs = append(m.defs, table.Def{})
	}
	return n
}

// field adds f to def n: to the field that has the same type, but for the values
// of its enum, if there is one.
func (m *merger) field(n int, f table.Field) {
	for i := range m.defs[n].Fields {
		old := &m.defs[n].Fields[i]
		if old.Name == f.Name && reflect.DeepEqual(bare(old.Type), bare(f.Type)) {
			old.In |= f.In
			old.Required |= f.Required
			mergeEnum(&old.Type, f.Type)
			return
		}
	}
	m.defs[n].Fields = append(m.defs[n].Fields, f)
	slices.SortStableFunc(m.defs[n].Fields, func(a, b table.Field) int { return strings.Compare(a.Name, b.Name) })
}

// bare gives t without the values of its enum, keeping whether it has one: a
// version that lists none accepts everything, which no mask of values says.
func bare(t table.Type) table.Type {
	if len(t.Enum) > 0 {
		t.Enum = []table.Value{{}}
	}
	if t.Elem != nil {
		elem := bare(*t.Elem)
		t.Elem = &elem
	}
	return t
}

func mergeEnum(old *table.Type, t table.Type) {
	for _, v := range t.Enum {
		i := slices.IndexFunc(old.Enum, func(o table.Value) bool { return o.Text == v.Text })
		if i < 0 {
			old.Enum = append(old.Enum, v)
			continue
		}
		old.Enum[i].In |= v.In
	}
	slices.SortFunc(old.Enum, func(a, b table.Value) int { return strings.Compare(a.Text, b.Text) })
	if t.Elem != nil {
		mergeEnum(old.Elem, *t.Elem)
	}
}

func (m *merger) typ(in table.Mask, s *spec, x *schema, done map[string]bool) (table.Type, error) {
	ref := x.Ref
	if len(x.AllOf) == 1 {
		ref = x.AllOf[0].Ref
	}
	if ref != "" {
		name := strings.TrimPrefix(ref, "#/components/schemas/")
		to := s.schemas[name]
		if to == nil {
			return table.Type{}, fmt.Errorf("no schema %s", name)
		}
		if len(to.Properties) == 0 {
			return m.typ(in, s, to, done)
		}
		if err := m.def(in, s, name, done); err != nil {
			return table.Type{}, err
		}
		// A default of {} is what Go's structures have that are no pointers.
		_, always := x.Default.(map[string]any)
		return table.Type{Shape: table.Struct, Def: m.numberOf(name), Always: always}, nil
	}
	switch {
	case x.Format == "int-or-string":
		return table.Type{Shape: table.IntOrString}, nil
	case len(x.OneOf) == 2 && x.OneOf[0].Type == "string" && x.OneOf[1].Type == "number":
		return table.Type{Shape: table.Quantity}, nil
	case len(x.OneOf) > 0 || len(x.AllOf) > 0 || len(x.Properties) > 0:
		return table.Type{}, fmt.Errorf("a schema of a sort that is not known: %+v", x)
	}
	return m.plain(in, s, x, done)
}

func (m *merger) plain(in table.Mask, s *spec, x *schema, done map[string]bool) (table.Type, error) {
	switch x.Type + " " + x.Format {
	case " ":
		return table.Type{Shape: table.Any}, nil
	case "object ":
		if x.AdditionalProperties == nil {
			return table.Type{Shape: table.Object}, nil
		}
		elem, err := m.typ(in, s, x.AdditionalProperties, done)
		return table.Type{Shape: table.Map, Elem: &elem}, err
	case "array ":
		elem, err := m.typ(in, s, x.Items, done)
		t := table.Type{Shape: table.List, Elem: &elem}
		switch x.ListType {
		case "set":
			t.Order = table.Set
		case "map":
			t.Order, t.Keys = table.Keyed, x.ListKeys
		}
		return t, err
	case "string ":
		t := table.Type{Shape: table.String}
		t.Default, _ = x.Default.(string)
		for _, v := range x.Enum {
			t.Enum = append(t.Enum, table.Value{Text: v, In: in})
		}
		return t, nil
	case "string byte":
		return table.Type{Shape: table.Bytes}, nil
	case "string date-time":
		return table.Type{Shape: table.Time}, nil
	case "integer int32":
		return table.Type{Shape: table.Int32}, nil
	case "integer int64", "integer ":
		return table.Type{Shape: table.Int64}, nil
	case "number double", "number ":
		return table.Type{Shape: table.Number}, nil
	case "boolean ":
		return table.Type{Shape: table.Bool}, nil
	}
	return table.Type{}, fmt.Errorf("type %q, format %q are not known", x.Type, x.Format)
}

// replace settles what to use instead of each kind: what the newest release
// (number last) serves, whatever the types once recommended.
func (m *merger) replace(last int) {
	served := map[string]bool{}
	stable := map[string]string{} // group and kind → the API version without alpha or beta
	for k, t := range m.kinds {
		if !t.In.Has(last) {
			continue
		}
		name := k.apiVersion() + " " + k.Kind
		served[name] = true
		if !strings.ContainsAny(strings.TrimPrefix(k.Version, "v"), "ab") && t.Removed == 0 {
			group := k.Group + " " + k.Kind
			stable[group] = max(stable[group], name)
		}
	}
	for k, t := range m.kinds {
		// IngressClass of networking.k8s.io/v1beta1 names its List by mistake.
		t.Replacement = strings.TrimSuffix(t.Replacement, "List")
		if served[t.Replacement] {
			continue
		}
		t.Replacement = ""
		if s := stable[k.Group+" "+k.Kind]; s != k.apiVersion()+" "+k.Kind {
			t.Replacement = s
		}
	}
}

// table gives the result: also the kinds that only the lifecycle methods still
// know, of API versions that are gone.
func (m *merger) table(versions []string) table.Table {
	for k, l := range m.lifecycle {
		t := m.kinds[k]
		if t == nil {
			if l.removed == 0 {
				continue
			}
			t = &table.Kind{Group: k.Group, Version: k.Version, Kind: k.Kind, Def: -1}
			m.kinds[k] = t
		}
		t.Deprecated, t.Removed, t.Replacement = l.deprecated, l.removed, l.replacement
	}
	for k, t := range goneBefore() {
		m.kinds[k] = &t
	}
	for k, l := range onlyDeprecated() {
		m.kinds[k].Deprecated, m.kinds[k].Replacement = l.deprecated, l.replacement
	}
	m.replace(len(versions) - 1)
	out := table.Table{Versions: versions, Defs: m.defs}
	for _, t := range m.kinds {
		out.Kinds = append(out.Kinds, *t)
	}
	slices.SortFunc(out.Kinds, func(a, b table.Kind) int {
		return compareGVK(gvk{a.Group, a.Version, a.Kind}, gvk{b.Group, b.Version, b.Kind})
	})
	return out
}
