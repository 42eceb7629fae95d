package openapi

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/shipit-dev/shipit/openapi/internal/table"
)

//go:embed schemas.bin
var schemas []byte

// open reads the embedded schemas once: they are the same for everyone.
var open = sync.OnceValues(func() (*table.Reader, error) { return table.Open(schemas) })

// models are what has been decoded, by the number of the version.
var models sync.Map

// VersionError says that a version of Kubernetes is none of those known here.
type VersionError struct {
	Version string
	Known   []string
}

func (e *VersionError) Error() string {
	return fmt.Sprintf("the schemas of Kubernetes %q are not known; known are %s to %s",
		e.Version, e.Known[0], e.Known[len(e.Known)-1])
}

// Nearest is the known version that is most like it.
func (e *VersionError) Nearest() string {
	var major, number, oldest int
	if _, err := fmt.Sscanf(minor(e.Version), "%d.%d", &major, &number); err != nil {
		return e.Known[len(e.Known)-1]
	}
	if _, err := fmt.Sscanf(e.Known[0], "%d.%d", &major, &oldest); err == nil && number < oldest {
		return e.Known[0]
	}
	return e.Known[len(e.Known)-1]
}

// Versions lists the versions of Kubernetes that are known, oldest first: "1.33".
func Versions() []string {
	r, err := open()
	if err != nil {
		return nil
	}
	out := make([]string, len(r.Versions))
	for i, v := range r.Versions {
		out[i] = minor(v)
	}
	return out
}

// minor gives 1.33 for v1.33.13, 1.33 and v1.33; other texts are as they are.
func minor(version string) string {
	parts := strings.SplitN(strings.TrimPrefix(version, "v"), ".", 3)
	if len(parts) < 2 {
		return version
	}
	return parts[0] + "." + parts[1]
}

// model is the built-in API of one version. What has been decoded is kept, and
// shared by all that validate against the version. It is safe for concurrent use.
type model struct {
	number     int // of the version in the table
	minor      int // 33 of 1.33
	reader     *table.Reader
	kinds      map[gvk]int
	structures []atomic.Pointer[structure]
}

type gvk struct{ group, version, kind string }

func (k gvk) apiVersion() string {
	if k.group == "" {
		return k.version
	}
	return k.group + "/" + k.version
}

func splitAPIVersion(apiVersion, kind string) gvk {
	group, version, ok := strings.Cut(apiVersion, "/")
	if !ok {
		return gvk{"", apiVersion, kind}
	}
	return gvk{group, version, kind}
}

// structure is a table.Def as one version has it.
type structure struct {
	fields   map[string]*table.Field
	names    []string
	required []string
	always   []string              // structures that are there even when left out
	others   map[string]table.Mask // fields that only other versions have
}

func modelOf(version string) (*model, error) {
	r, err := open()
	if err != nil {
		return nil, err
	}
	for i, v := range r.Versions {
		if minor(v) != minor(version) {
			continue
		}
		if m, ok := models.Load(i); ok {
			return m.(*model), nil
		}
		_, after, _ := strings.Cut(minor(v), ".")
		n, err := strconv.Atoi(after)
		if err != nil {
			return nil, err
		}
		m := &model{number: i, minor: n, reader: r, structures: make([]atomic.Pointer[structure], r.Defs())}
		m.kinds = make(map[gvk]int, len(r.Kinds))
		for j, k := range r.Kinds {
			m.kinds[gvk{k.Group, k.Version, k.Kind}] = j
		}
		kept, _ := models.LoadOrStore(i, m)
		return kept.(*model), nil
	}
	return nil, &VersionError{Version: version, Known: Versions()}
}

// structure gives number n, decoding it the first time.
func (m *model) structure(n int) *structure {
	if s := m.structures[n].Load(); s != nil {
		return s
	}
	def := m.reader.Def(n)
	s := &structure{fields: make(map[string]*table.Field, len(def.Fields))}
	for i := range def.Fields {
		f := &def.Fields[i]
		if !f.In.Has(m.number) {
			if s.others == nil {
				s.others = map[string]table.Mask{}
			}
			s.others[f.Name] |= f.In
			continue
		}
		s.fields[f.Name] = f
		s.names = append(s.names, f.Name)
		if f.Required.Has(m.number) {
			s.required = append(s.required, f.Name)
		}
		if f.Type.Always && f.Name != "metadata" && f.Name != "status" {
			s.always = append(s.always, f.Name)
		}
	}
	m.structures[n].Store(s)
	return s
}

// since says when a mask of versions begins, for a mask without the model's
// version: "from 1.35 on" or "until 1.34".
func (m *model) since(in table.Mask) string {
	for i := m.number - 1; i >= 0; i-- {
		if in.Has(i) {
			return "until " + minor(m.reader.Versions[i])
		}
	}
	for i := m.number + 1; i < len(m.reader.Versions); i++ {
		if in.Has(i) {
			return "from " + minor(m.reader.Versions[i]) + " on"
		}
	}
	return "in no version"
}

func (m *model) version() string { return "1." + strconv.Itoa(m.minor) }
