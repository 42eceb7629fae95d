package openapi_test

import (
	"flag"
	"os"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/shipit-dev/shipit/openapi"
)

var update = flag.Bool("update", false, "write what is found into testdata/verdicts.txt")

// verdict is one object and what is said to it.
type verdict struct {
	name    string
	differs string // why the server says something else; "" if it says the same
	yaml    string
	want    string
}

const verdictsFile = "testdata/verdicts.txt"

// verdicts reads testdata/verdicts.txt: "## name", a line "!! reason" where the
// server judges otherwise, the object, and a line "=> finding" for each finding.
func verdicts(t *testing.T) []verdict {
	t.Helper()
	b, err := os.ReadFile(verdictsFile)
	if err != nil {
		t.Fatal(err)
	}
	var out []verdict
	for _, section := range strings.Split("\n"+string(b), "\n## ")[1:] {
		name, rest, _ := strings.Cut(section, "\n")
		v := verdict{name: name}
		for line := range strings.Lines(rest) {
			switch {
			case strings.HasPrefix(line, "!! "):
				v.differs = strings.TrimSpace(line[3:])
			case strings.HasPrefix(line, "=> "):
				v.want += line[3:]
			case strings.TrimSpace(line) != "":
				v.yaml += line
			}
		}
		out = append(out, v)
	}
	return out
}

// generated are names that the API server's code makes up.
var generated = regexp.MustCompile(`selfType[0-9]+`)

func judge(t *testing.T, o *unstructured.Unstructured) []openapi.Finding {
	t.Helper()
	v, err := openapi.New("1.36", read(t, "testdata/widget.yaml")...)
	if err != nil {
		t.Fatal(err)
	}
	return v.Validate([]*unstructured.Unstructured{o})
}

func TestVerdicts(t *testing.T) {
	all := verdicts(t)
	var file strings.Builder
	for _, v := range all {
		got := generated.ReplaceAllString(text(judge(t, parse(t, v.yaml)[0])), "selfType")
		if got != v.want && !*update {
			t.Errorf("%s\ngot:\n%swant:\n%s", v.name, got, v.want)
		}
		file.WriteString("## " + v.name + "\n")
		if v.differs != "" {
			file.WriteString("!! " + v.differs + "\n")
		}
		file.WriteString(v.yaml)
		for line := range strings.Lines(got) {
			file.WriteString("=> " + line)
		}
		file.WriteString("\n")
	}
	if *update {
		if err := os.WriteFile(verdictsFile, []byte(file.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestVerdictsOfServer asks a real API server about the same objects.
func TestVerdictsOfServer(t *testing.T) {
	s := onServer(t)
	s.define(t, read(t, "testdata/widget.yaml")[0])
	for _, v := range verdicts(t) {
		o := parse(t, v.yaml)[0]
		theirs, ours := s.apply(t.Context(), o), errorsOf(judge(t, o))
		if same := (theirs != nil) == (len(ours) > 0); same != (v.differs == "") {
			t.Errorf("%s (differs: %q)\nserver: %v\nhere:\n%s", v.name, v.differs, theirs, text(ours))
		}
	}
}
