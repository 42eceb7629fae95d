package language

import (
	"regexp"
	"strings"

	"cuelang.org/go/cue/ast"
)

// remark is the comment of a field or a definition of the schema, in its parts:
// sentences, of which one may say the default and one what the field becomes in
// Kubernetes, and an example.
//
//	// replicas is how many pods run. Default: 1. Becomes: spec.replicas of the
//	// workload.
//	//
//	// Example:
//	//
//	//	services: web: replicas: 3
type remark struct {
	text     string // without the default and what it becomes, as one line
	fallback string
	becomes  string
	example  string // CUE from the top of the App, without an end of line
}

// definitionName is a definition that only the schema's readers know: v1.#App is
// written in projects.
var definitionName = regexp.MustCompile(`(^|[^.])#[A-Z][A-Za-z]*`)

// newRemark reads the documentation of a field.
func newRemark(f *ast.Field) remark {
	for _, g := range ast.Comments(f) {
		if g.Doc {
			return readRemark(g.Text())
		}
	}
	return remark{}
}

func readRemark(comment string) remark {
	var r remark
	text, example, _ := strings.Cut("\n"+comment, "\nExample:\n")
	r.text = strings.Join(strings.Fields(text), " ")
	r.text, r.becomes = cutSentence(r.text, "Becomes: ")
	r.text, r.fallback = cutSentence(r.text, "Default: ")
	lines := strings.Split(strings.Trim(example, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "\t")
	}
	r.example = strings.Join(lines, "\n")
	return r
}

// cutSentence takes the sentence that begins with a word out of a text.
func cutSentence(text, word string) (rest, sentence string) {
	before, after, ok := strings.Cut(text, word)
	if !ok {
		return text, ""
	}
	sentence, after, _ = strings.Cut(after, ". ")
	return strings.TrimSpace(before + after), strings.TrimSuffix(sentence, ".")
}

// Summary gives the first sentence of a field's comment, without its end.
func (f *Field) Summary() string {
	first, _, _ := strings.Cut(f.remark.text, ". ")
	return strings.TrimSuffix(first, ".")
}

// plain gives the sentences for people who do not see the schema.
func (r remark) plain() string {
	return definitionName.ReplaceAllString(strings.TrimPrefix(r.text, "#"), "${1}{…}")
}
