package main

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
	cueerrors "cuelang.org/go/cue/errors"
	cuejson "cuelang.org/go/encoding/json"
	"cuelang.org/go/encoding/jsonschema"
)

// reported is a project with an error, a warning, one that is silenced, and texts that
// JSON and XML have to escape.
const reported = `package shop

import "shipit.dev/v1"

v1.#App & {
	name: "shop"
	services: web: {image: "nginx:1.29", replicas: "two <&>\u0007", replica: 1}
	services: api: {
		image: "nginx:1.29"
		needs: web: {}
		rollout: {maxSurge: 0, maxUnavailable: 0} // shipit:ignore rollout-stuck "as <told>"
		rollout: deadlineSeconds: 10
		rollout: minReadySeconds: 20
	}
}
`

// clean is one with a warning alone.
const clean = `package shop

import "shipit.dev/v1"

v1.#App & {
	name: "shop"
	services: web: {image: "nginx:1.29", env: A: "$(B)"}
	environments: {dev: {}, prod: {}}
}
`

// reportOf gives what validate says of a project, in a form.
func reportOf(t *testing.T, text, form string) []byte {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{"shop.cue": text, "cue.mod/module.cue": "module: \"shop.example\"\nlanguage: version: \"v0.17.0\"\n"} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var out, errs bytes.Buffer
	run([]string{"validate", "-C", dir, "-o", form}, streams{in: strings.NewReader(""), out: &out, err: &errs})
	if errs.Len() > 0 {
		t.Fatal(errs.String())
	}
	return out.Bytes()
}

// sarifSchema gives what SARIF 2.1.0 is.
func sarifSchema(t *testing.T, ctx *cue.Context) cue.Value {
	t.Helper()
	data, err := os.ReadFile("testdata/sarif/sarif-schema-2.1.0.json")
	if err != nil {
		t.Fatal(err)
	}
	x, err := cuejson.Extract("sarif-schema-2.1.0.json", data)
	if err != nil {
		t.Fatal(err)
	}
	f, err := jsonschema.Extract(ctx.BuildExpr(x), &jsonschema.Config{})
	if err != nil {
		t.Fatal(err)
	}
	return ctx.BuildFile(f)
}

// SARIF is as its own JSON schema says, which knows all its fields.
func TestSARIF(t *testing.T) {
	t.Parallel()
	ctx := cuecontext.New()
	schema := sarifSchema(t, ctx)
	valid := func(data []byte) error {
		x, err := cuejson.Extract("report.sarif", data)
		if err != nil {
			return err
		}
		return schema.Unify(ctx.BuildExpr(x)).Validate(cue.Concrete(true))
	}
	for text, want := range map[string]int{reported: 3, clean: 1} {
		data := reportOf(t, text, "sarif")
		if err := valid(data); err != nil {
			t.Errorf("%s\n%s", cueerrors.Details(err, nil), data)
		}
		var report struct {
			Runs []struct {
				Tool struct {
					Driver struct{ Rules []struct{ ID string } }
				}
				Results []struct {
					RuleID  string
					Message struct{ Text string }
				}
			}
		}
		if err := json.Unmarshal(data, &report); err != nil || len(report.Runs) != 1 || len(report.Runs[0].Results) < want {
			t.Fatalf("%v: %d results wanted:\n%s", err, want, data)
		}
		rules := map[string]bool{}
		for _, r := range report.Runs[0].Tool.Driver.Rules {
			rules[r.ID] = true
		}
		for _, r := range report.Runs[0].Results {
			if !rules[r.RuleID] || r.Message.Text == "" {
				t.Errorf("a result without its rule, or a message: %+v", r)
			}
		}
		for _, wrong := range [][2]string{{`"version": "2.1.0"`, `"version": "2.0.0"`}, {`"startLine": `, `"startLine": -`}, {`"ruleId"`, `"rule"`}, {`"results": [`, `"results": [3, `}} {
			if valid(bytes.ReplaceAll(data, []byte(wrong[0]), []byte(wrong[1]))) == nil {
				t.Errorf("the schema takes %s", wrong[1])
			}
		}
	}
}

// testSuites are what CI systems read of JUnit's reports
// (https://github.com/testmoapp/junitxml).
type testSuites struct {
	XMLName xml.Name `xml:"testsuites"`
	Suites  []struct {
		Name     string `xml:"name,attr"`
		Tests    int    `xml:"tests,attr"`
		Failures int    `xml:"failures,attr"`
		Cases    []struct {
			Name      string `xml:"name,attr"`
			ClassName string `xml:"classname,attr"`
			File      string `xml:"file,attr"`
			Line      int    `xml:"line,attr"`
			Failure   *struct {
				Message string `xml:"message,attr"`
				Type    string `xml:"type,attr"`
				Text    string `xml:",chardata"`
			} `xml:"failure"`
			SystemOut string `xml:"system-out"`
		} `xml:"testcase"`
	} `xml:"testsuite"`
}

func TestJUnit(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{reported: 3, clean: 0} {
		data := reportOf(t, text, "junit")
		var report testSuites
		if err := xml.Unmarshal(data, &report); err != nil || len(report.Suites) != 1 {
			t.Fatalf("%v\n%s", err, data)
		}
		suite := report.Suites[0]
		failures := 0
		for _, c := range suite.Cases {
			if c.Name == "" || c.ClassName == "" {
				t.Errorf("a case without a name: %+v", c)
			}
			if c.Failure == nil {
				continue
			}
			failures++
			if c.Failure.Message == "" || c.Failure.Type == "" || c.Failure.Text == "" || c.Line == 0 || !strings.HasSuffix(c.File, "shop.cue") {
				t.Errorf("a failure that says too little: %+v", c)
			}
		}
		if suite.Name == "" || suite.Tests != len(suite.Cases) || suite.Failures != failures || failures != want {
			t.Errorf("%d of %d cases failed, the suite says %d of %d; want %d\n%s", failures, len(suite.Cases), suite.Failures, suite.Tests, want, data)
		}
	}
}
