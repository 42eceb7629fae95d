package apply

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"
)

// testdata/state has, for every format there ever was, the objects as they are
// in a cluster and what they say. They never change: whoever changes a record so
// that one of these tests fails makes a new format, with fixtures of its own.
const fixtures = "testdata/state"

func fixture(t *testing.T, name string, into any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(fixtures, name))
	must(t, err)
	must(t, yaml.UnmarshalStrict(data, into))
}

// Every format is read, to the last field.
func TestFixturesAreRead(t *testing.T) {
	t.Parallel()
	formats, err := os.ReadDir(fixtures)
	must(t, err)
	if len(formats) != formatVersion {
		t.Errorf("%d formats have fixtures, want %d", len(formats), formatVersion)
	}
	for _, f := range formats {
		for name, record := range map[string]any{"index": &index{}, "intent": &intent{}, "outcome": &outcomeRecord{}} {
			t.Run(f.Name()+"/"+name, func(t *testing.T) {
				t.Parallel()
				var data []byte
				for part := 0; ; part++ {
					file := f.Name() + "/" + partName(name, part) + ".yaml"
					if _, err := os.Stat(filepath.Join(fixtures, file)); part > 0 && err != nil {
						break
					}
					var secret corev1.Secret
					fixture(t, file, &secret)
					if string(secret.Type) != "shipit.dev/"+name || secret.Labels[labelApp] != "shop" || secret.Labels[labelState] != name {
						t.Errorf("%s has type %s, labels %v", file, secret.Type, secret.Labels)
					}
					data = append(data, secret.Data[stateKey]...)
				}
				must(t, decode(data, Ref{Kind: "Secret", Name: name}, record))
				var want any
				fixture(t, f.Name()+"/"+name+".json", &want)
				if got := jsonOf(t, record); !reflect.DeepEqual(got, want) {
					t.Errorf("read\n%v\nwant\n%v", got, want)
				}
			})
		}
	}
}

// A Lease is judged by what an older or newer shipit wrote into it.
func TestFixtureLease(t *testing.T) {
	t.Parallel()
	var lease coordinationv1.Lease
	fixture(t, "v1/lease.yaml", &lease)
	if got, want := leaseHeader(&lease), (header{FormatVersion: 1, WrittenBy: "v0.3.0"}); got != want {
		t.Errorf("header %+v, want %+v", got, want)
	}
	if p := parseProcess(lease.Annotations[annotationProcess]); p.Machine == "" || p.PID != 4711 || p.Start != "12345" {
		t.Errorf("process %+v", p)
	}
	if durationOf(&lease) != 15*time.Second {
		t.Errorf("duration %s", durationOf(&lease))
	}
	lease.Annotations[annotationFormat] = "2"
	var newer *NewerFormatError
	if err := leaseHeader(&lease).readable(Ref{}); !errors.As(err, &newer) || newer.WrittenBy != "v0.3.0" {
		t.Errorf("a newer format: %v", err)
	}

	c := &Client{owner: Owner{App: "shop", Namespace: "prod", By: "ann@laptop", Version: "v0.3.0"}, times: usualLease()}
	written := (&lock{c: c, deploy: "20260102-030405-0a1b2c3d"}).newLease()
	fixture(t, "v1/lease.yaml", &lease)
	if written.Name != lease.Name || !reflect.DeepEqual(written.Labels, lease.Labels) {
		t.Errorf("written: %s %v, want %s %v", written.Name, written.Labels, lease.Name, lease.Labels)
	}
	for key := range written.Annotations {
		if _, ok := lease.Annotations[key]; !ok {
			t.Errorf("the fixture has no annotation %s", key)
		}
	}
}

// What is written has no field that the newest fixture lacks.
func TestFixturesAreComplete(t *testing.T) {
	t.Parallel()
	for name, record := range map[string]any{"index": index{}, "intent": intent{}, "outcome": outcomeRecord{}} {
		var sample any
		fixture(t, "v1/"+name+".json", &sample)
		for _, lacks := range missingFields(reflect.TypeOf(record), []any{sample}, name) {
			t.Errorf("the fixture has no %s", lacks)
		}
	}
	if got := missingFields(reflect.TypeOf(index{}), []any{map[string]any{"formatVersion": 1.0}}, "index"); !slices.Contains(got, "index.units") {
		t.Errorf("this test does not see missing fields: %v", got)
	}
}

// missingFields lists the fields of a type that none of the samples has.
func missingFields(typ reflect.Type, samples []any, path string) []string {
	if len(samples) == 0 {
		return []string{path}
	}
	var inner []any
	switch typ.Kind() {
	case reflect.Pointer:
		return missingFields(typ.Elem(), samples, path)
	case reflect.Slice:
		for _, s := range samples {
			if list, ok := s.([]any); ok {
				inner = append(inner, list...)
			} else if typ.Elem().Kind() == reflect.Uint8 {
				return nil // bytes, as text
			}
		}
		return missingFields(typ.Elem(), inner, path+"[]")
	case reflect.Map:
		if typ.Elem().Kind() == reflect.Interface {
			return nil // an object as Kubernetes has it
		}
		for _, s := range samples {
			for _, v := range s.(map[string]any) {
				inner = append(inner, v)
			}
		}
		return missingFields(typ.Elem(), inner, path+".*")
	case reflect.Struct:
		if typ == reflect.TypeFor[time.Time]() {
			return nil
		}
	default:
		return nil
	}
	var out []string
	for i := range typ.NumField() {
		f := typ.Field(i)
		if f.Anonymous {
			out = append(out, missingFields(f.Type, samples, path)...)
			continue
		}
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		var values []any
		for _, s := range samples {
			if v, ok := s.(map[string]any)[name]; ok {
				values = append(values, v)
			}
		}
		out = append(out, missingFields(f.Type, values, path+"."+name)...)
	}
	return out
}

func jsonOf(t *testing.T, v any) any {
	t.Helper()
	data, err := json.Marshal(v)
	must(t, err)
	var out any
	must(t, json.Unmarshal(data, &out))
	return out
}
