package main

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/internal/deploy"
	"github.com/shipit-dev/shipit/schema"
)

// formatVersion is that of all that -o json prints, except by render, whose objects are
// Kubernetes' own. It rises when a field changes its meaning or goes, not when one comes.
// docs/output.md has every field.
const formatVersion = 1

// document begins what -o json prints.
type document struct {
	FormatVersion int `json:"formatVersion"`
}

func newDocument() document { return document{formatVersion} }

// printsJSON reports whether cmd was asked for a document.
func printsJSON(cmd *cobra.Command) bool {
	f := cmd.Flags().Lookup("output")
	return f != nil && f.Value.String() == "json" && cmd.Name() != "render"
}

// jsonFailure is what a command prints that has no result to print.
type jsonFailure struct {
	document
	ExitCode int   `json:"exitCode"`
	Errors   []any `json:"errors"` // *schema.Error where the project is wrong, else jsonError
}

// jsonError is an error that is not about a rule. Its fields are those of a finding.
type jsonError struct {
	Severity string      `json:"severity"`
	Position *schema.Pos `json:"position,omitempty"`
	Path     string      `json:"path,omitempty"`
	Message  string      `json:"message"`
	Hint     string      `json:"hint,omitempty"`
}

// failureJSON prints why a command that ends with code has no result.
func (s streams) failureJSON(err error, code int) {
	out := jsonFailure{document: newDocument(), ExitCode: code, Errors: []any{}}
	var invalid schema.Errors
	if errors.As(err, &invalid) {
		for _, e := range invalid {
			out.Errors = append(out.Errors, e)
		}
	} else {
		for _, e := range each(err) {
			out.Errors = append(out.Errors, newJSONError(e))
		}
	}
	_ = s.json(out) // a stream that takes nothing is found at the end
}

func newJSONError(err error) jsonError {
	out := jsonError{Severity: "error", Message: err.Error(), Hint: hint(err)}
	var placed *deploy.PlacedError
	if errors.As(err, &placed) {
		out.Path, out.Message = placed.Path, placed.Err.Error()
		if placed.Pos.IsValid() {
			out.Position = &placed.Pos
		}
	}
	return out
}

// jsonStatus is what status prints.
type jsonStatus struct {
	document
	*apply.AppStatus
	Services []jsonUnitStatus `json:"services"`
}

type jsonUnitStatus struct {
	apply.UnitStatus
	jsonPlace
}

// jsonPlace is what of the CUE a diagnosis points to.
type jsonPlace struct {
	Path     string      `json:"path,omitempty"`
	Position *schema.Pos `json:"position,omitempty"`
}

func placeOf(app *schema.App, d *apply.Diagnosis) jsonPlace {
	if d == nil {
		return jsonPlace{}
	}
	path, pos := deploy.Blame(app, d)
	if !pos.IsValid() {
		return jsonPlace{}
	}
	return jsonPlace{path, &pos}
}

func (s streams) statusJSON(app *schema.App, status *apply.AppStatus) error {
	out := jsonStatus{document: newDocument(), AppStatus: status, Services: []jsonUnitStatus{}}
	for _, u := range status.Units {
		out.Services = append(out.Services, jsonUnitStatus{u, placeOf(app, u.Diagnosis)})
	}
	return s.json(out)
}

// jsonHistory is what history prints.
type jsonHistory struct {
	document
	App       string              `json:"app"`
	Namespace string              `json:"namespace"`
	Services  []apply.UnitHistory `json:"services"`
}

// jsonExplanation is what explain prints: one of its fields is set.
type jsonExplanation struct {
	document
	Field *explainedField `json:"field,omitempty"`
	Rule  *explainedRule  `json:"rule,omitempty"`
	Rules explainedRules  `json:"rules,omitempty"`
}

func newJSONExplanation(what explanation) jsonExplanation {
	out := jsonExplanation{document: newDocument()}
	switch what := what.(type) {
	case explainedField:
		out.Field = &what
	case explainedRule:
		out.Rule = &what
	case explainedRules:
		out.Rules = what
	}
	return out
}

// jsonResult is what deploy, rollback and delete print.
type jsonResult struct {
	document
	App         string     `json:"app"`
	Namespace   string     `json:"namespace"`
	DeployID    string     `json:"deployId,omitempty"`
	Outcome     string     `json:"outcome"`
	Interrupted bool       `json:"interrupted,omitempty"`
	Finishes    string     `json:"finishes,omitempty"` // the rollback that was stopped half-way and that this one went on with
	Seconds     float64    `json:"seconds"`
	Expires     *time.Time `json:"expires,omitempty"`
	Services    []jsonUnit `json:"services"`
}

type jsonUnit struct {
	Name      string           `json:"name"`
	Outcome   string           `json:"outcome"`
	Release   int              `json:"release"`
	Tried     int              `json:"tried,omitempty"`
	Previous  int              `json:"previous,omitempty"`
	Pods      apply.Pods       `json:"pods"`
	Images    []string         `json:"images"`
	Objects   []jsonObject     `json:"objects"`
	Diagnosis *apply.Diagnosis `json:"diagnosis,omitempty"`
	jsonPlace
	Changed []deploy.Place `json:"changed,omitempty"` // what of the CUE the deploy changed, when it failed
}

// jsonObject is what was done to one object, or not done, or could not be.
type jsonObject struct {
	apply.Ref
	Action apply.Action `json:"action"`
	Done   bool         `json:"done"`
	Fields []string     `json:"fields,omitempty"` // that an update changes
	Error  string       `json:"error,omitempty"`
}

func (s streams) resultJSON(app *schema.App, r *apply.Result) error {
	out := jsonResult{
		document: newDocument(), App: app.Name, Namespace: app.Namespace, DeployID: r.DeployID, Outcome: string(r.Outcome),
		Interrupted: r.Interrupted, Finishes: r.Finishes, Seconds: r.Took.Seconds(), Services: []jsonUnit{},
	}
	if !r.Expires.IsZero() {
		out.Expires = &r.Expires
	}
	for _, u := range r.Units {
		j := jsonUnit{
			Name: u.Name, Outcome: string(u.Outcome), Release: u.Release, Tried: u.Tried, Previous: u.Previous,
			Pods: u.Pods, Images: append([]string{}, u.Images...), Objects: []jsonObject{}, Diagnosis: u.Diagnosis,
		}
		for _, o := range u.Objects {
			object := jsonObject{Ref: o.Object, Action: o.Action, Done: o.Done, Fields: o.Fields}
			if o.Err != nil {
				object.Error = o.Err.Error()
			}
			j.Objects = append(j.Objects, object)
		}
		if u.Diagnosis != nil {
			for _, o := range u.Objects {
				j.Changed = append(j.Changed, deploy.Changed(app, u.Name, o.Fields)...)
			}
			j.jsonPlace = placeOf(app, u.Diagnosis)
		}
		out.Services = append(out.Services, j)
	}
	return s.json(out)
}

func (s streams) json(v any) error {
	data, err := indented(v)
	if err != nil {
		return err
	}
	_, err = s.out.Write(data)
	return err
}
