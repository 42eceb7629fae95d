package main

import (
	"cmp"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"path"
	"path/filepath"
	"strings"

	"github.com/shipit-dev/shipit/internal/deploy"
	"github.com/shipit-dev/shipit/schema"
	"github.com/shipit-dev/shipit/schema/rule"
)

// report is what validate found, for every form that it is printed in.
type report struct {
	document
	Valid    bool             `json:"valid"`
	Apps     []reportApp      `json:"apps"` // an entry for each environment
	Findings schema.Errors    `json:"findings"`
	Ignored  []schema.Ignored `json:"ignored"`         // what comments silence
	Older    int              `json:"older,omitempty"` // findings that the revision of --changed has too

	dir string // the project's, as the user named it
}

type reportApp struct {
	Name        string `json:"name"`
	Environment string `json:"environment,omitempty"`
	Namespace   string `json:"namespace"`
	Services    int    `json:"services"`
}

func (r *report) add(v *deploy.Validation) {
	for _, app := range v.Apps {
		r.Apps = append(r.Apps, reportApp{Name: app.Name, Environment: app.Environment, Namespace: app.Namespace, Services: len(app.Services)})
	}
	r.Findings = append(r.Findings, v.Findings...)
	r.Ignored = append(r.Ignored, v.Ignored...)
	r.Valid = r.Valid && v.Valid()
	r.Older += v.Older
}

// formats are how a report can be written, beside text.
func (r *report) formats() map[string]func() ([]byte, error) {
	return map[string]func() ([]byte, error){
		"json": r.json, "sarif": r.sarif, "junit": r.junit, "github": r.github,
	}
}

func (r *report) json() ([]byte, error) {
	if r.Findings == nil {
		r.Findings = schema.Errors{}
	}
	if r.Ignored == nil {
		r.Ignored = []schema.Ignored{}
	}
	if r.Apps == nil {
		r.Apps = []reportApp{}
	}
	return indented(r)
}

func indented(v any) ([]byte, error) {
	data, err := json.MarshalIndent(v, "", "  ")
	return append(plainJSON(data), '\n'), err
}

// file is where a place is, from the folder that shipit was started in; one in a
// module that the project depends on is named by that.
func (r *report) file(p schema.Pos) string {
	if p.Module != "" {
		return path.Join(p.Module, p.File)
	}
	return path.Join(filepath.ToSlash(r.dir), p.File)
}

func ruleName(e *schema.Error) string { return cmp.Or(e.Rule, string(e.Code)) }

func isWarning(e *schema.Error) bool { return e.Severity == rule.Warning }

// explained is the message with what follows it.
func explained(e *schema.Error) string {
	text := e.Message
	if e.Why != "" {
		text += "\nwhy: " + e.Why
	}
	if e.Hint != "" {
		text += "\nhint: " + e.Hint
	}
	return text
}

// github writes annotations as workflow commands
// (https://docs.github.com/actions/reference/workflow-commands-for-github-actions).
func (r *report) github() ([]byte, error) {
	// The data of a command, and with : and , also its properties.
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	var b strings.Builder
	for _, e := range r.Findings {
		kind := "error"
		if isWarning(e) {
			kind = "warning"
		}
		where := ""
		if e.Pos.IsValid() {
			where = fmt.Sprintf("file=%s,line=%d,col=%d,", property.Replace(cell(r.file(e.Pos))), e.Pos.Line, e.Pos.Column)
		}
		fmt.Fprintf(&b, "::%s %stitle=%s::%s\n", kind, where, property.Replace("shipit "+cell(ruleName(e))), data.Replace(seen(explained(e))))
	}
	return []byte(b.String()), nil
}

// The parts of JUnit's format that CI systems read.
type (
	junitSuites struct {
		XMLName xml.Name     `xml:"testsuites"`
		Suites  []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		File    string        `xml:"file,attr,omitempty"`
		Line    int           `xml:"line,attr,omitempty"`
		Failure *junitFailure `xml:"failure,omitempty"`
		Out     string        `xml:"system-out,omitempty"`
	}
	junitFailure struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr"`
		Text    string `xml:",chardata"`
	}
)

// junit has a test for each environment that is valid, and one for each finding;
// a warning is a test that passes and says something.
func (r *report) junit() ([]byte, error) {
	suite := junitSuite{Name: "shipit validate"}
	for _, a := range r.Apps {
		suite.Cases = append(suite.Cases, junitCase{Class: cell(a.Name), Name: cell(cmp.Or(a.Environment, a.Namespace))})
	}
	for _, e := range r.Findings {
		c := junitCase{Class: cell(ruleName(e)), Name: cell(cmp.Or(e.Path, ruleName(e))), Line: e.Pos.Line}
		if e.Pos.IsValid() {
			c.File = cell(r.file(e.Pos))
		}
		if isWarning(e) {
			c.Out = seen(explained(e))
		} else {
			c.Failure = &junitFailure{Message: seen(e.Error()), Type: cell(ruleName(e)), Text: seen(explained(e))}
			suite.Failures++
		}
		suite.Cases = append(suite.Cases, c)
	}
	suite.Tests = len(suite.Cases)
	data, err := xml.MarshalIndent(junitSuites{Suites: []junitSuite{suite}}, "", "  ")
	return append([]byte(xml.Header), append(data, '\n')...), err
}
