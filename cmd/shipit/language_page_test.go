package main

import (
	"cmp"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/shipit-dev/shipit/schema/language"
	"github.com/shipit-dev/shipit/schema/rule"
)

const languageHead = `# The language

Every word of ` + "`shipit.dev/v1`" + `, made from the comments of [its schema](../schema/v1): what it is, what its value
must be, its default, and what it becomes in Kubernetes. Where names are free (of services, ports, volumes), they are
left out of the paths here: ` + "`services.probes.readiness`" + ` is ` + "`services: web: probes: readiness: …`" + ` in CUE. The same
in a terminal:

` + "```sh" + `
shipit explain                              # what there is
shipit explain services.probes.readiness    # a field
shipit explain rule/quota-never-fits        # a rule that shipit validate named
` + "```" + `

A project is a folder with ` + "`cue.mod/`" + ` and a CUE package with ` + "`v1.#App`" + ` at its top; ` + "`shipit init`" + ` makes one. Everything
about a field is combined, from any file and in any order, and nothing overrides: a value that an environment may change
is written as a default, ` + "`replicas: *2 | int`" + `. All examples are parts of an App, and are validated by a test.

`

const languageIgnore = `## Silencing a rule

Most errors are facts: Kubernetes would refuse the object, or nothing could be made of it. Some rules, and most warnings,
are judgements, and you may know better. A comment at the end of the line that the finding names, or on the line above,
silences one rule there, and must say why:

` + "```cue" + `
services: batch: {
	// shipit:ignore drain-stuck its nodes are never drained
	disruption: maxUnavailable: 0
}
` + "```" + `

` + "`policy/NAME`" + ` silences one policy, ` + "`policy`" + ` all of them. ` + "`shipit validate`" + ` counts what is silenced, ` + "`-v`" + ` lists it with the
reasons, and so does ` + "`-o json`" + `; in SARIF it is suppressed. A comment that can silence nothing is warned of, by the rule
[` + "`bad-ignore`" + `](#rule-bad-ignore).
`

// subjects are the files of the schema, in the order of the page.
var subjects = []struct{ file, title string }{
	{"app", "The App and its environments"},
	{"service", "Services"},
	{"probe", "Health checks"},
	{"resources", "Resources and security"},
	{"rollout", "Rollouts, starting and stopping"},
	{"scaling", "Scaling and availability"},
	{"data", "Variables, configs, secrets and volumes"},
	{"container", "Sidecars, init containers and jobs"},
	{"traffic", "Who talks to whom"},
	{"expose", "Ways in, gateways and network policies"},
	{"placement", "Placement, permissions and metrics"},
}

// The page about the language is what the schema and the rules say. To write it:
// UPDATE_SCRIPTS=1 go test ./cmd/shipit -run TestLanguagePage
func TestLanguagePage(t *testing.T) {
	t.Parallel()
	const file = "../../docs/language.md"
	parts, err := language.Parts()
	if err != nil {
		t.Fatal(err)
	}
	page := languagePage(parts, allRules())
	if os.Getenv("UPDATE_SCRIPTS") != "" {
		if err := os.WriteFile(file, []byte(page), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	written, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if string(written) != page {
		t.Errorf("%s is not what the schema says: run UPDATE_SCRIPTS=1 go test ./cmd/shipit -run TestLanguagePage", file)
	}
	for _, p := range parts {
		if !slices.ContainsFunc(subjects, func(s struct{ file, title string }) bool { return s.file == p.Subject }) {
			t.Errorf("the page has no place for %s.cue", p.Subject)
		}
	}
	// Every link leads somewhere, and every field and rule can be linked to.
	anchors := map[string]bool{}
	for _, m := range regexp.MustCompile(`<a id="([^"]+)"></a>`).FindAllStringSubmatch(page, -1) {
		if anchors[m[1]] {
			t.Errorf("two places are called %s", m[1])
		}
		anchors[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`\]\(#([^)]+)\)`).FindAllStringSubmatch(page, -1) {
		if !anchors[m[1]] {
			t.Errorf("nothing is called %s", m[1])
		}
	}
	for _, r := range allRules() {
		if !anchors[ruleAnchor(r.Name)] {
			t.Errorf("the page lacks the rule %s", r.Name)
		}
	}
}

type languageWriter struct {
	strings.Builder
	fields map[string]bool // that can be linked to
}

func languagePage(parts []language.Part, rules []rule.Rule) string {
	w := &languageWriter{fields: map[string]bool{}}
	for _, p := range parts {
		for _, f := range p.Fields {
			w.fields[f.Path] = true
		}
	}
	w.WriteString(languageHead)
	for _, s := range subjects {
		var names []string
		for _, p := range parts {
			if p.Subject == s.file {
				names = append(names, kindLink(p.Name))
			}
		}
		fmt.Fprintf(w, "- %s: %s\n", s.title, strings.Join(names, ", "))
	}
	w.WriteString("- [Rules](#rules), and [how to silence one](#silencing)\n\n")
	for _, s := range subjects {
		fmt.Fprintf(w, "## %s\n\n", s.title)
		for _, p := range parts {
			if p.Subject == s.file {
				w.part(p)
			}
		}
	}
	w.WriteString("<a id=\"rules\"></a>\n\n## Rules\n\nWhat is checked. The name of a rule is in every form of the findings but the text,\nwhich ends with what to ask `shipit explain` for.\n\n")
	for _, kubernetes := range []bool{false, true} {
		title := "### Of the language"
		if kubernetes {
			title = "### Of Kubernetes"
		}
		fmt.Fprintf(w, "%s\n\n", title)
		for _, r := range rules {
			if strings.HasPrefix(r.Name, "kubernetes-") == kubernetes {
				w.rule(r, kubernetes)
			}
		}
	}
	w.WriteString("<a id=\"silencing\"></a>\n\n" + languageIgnore)
	return w.String()
}

func (w *languageWriter) part(p language.Part) {
	fmt.Fprintf(w, "<a id=%q></a>\n\n### %s\n\n", kindAnchor(p.Name), p.Name)
	w.text("", p.Doc)
	if p.Paths[0] != "" {
		const most = 4
		var at []string
		for _, path := range p.Paths[:min(most, len(p.Paths))] {
			at = append(at, "`"+path+"`")
		}
		if len(p.Paths) > most {
			at = append(at, "and elsewhere")
		}
		w.text("", "At "+strings.Join(at, ", ")+".")
	}
	w.code("", p.Example, "cue")
	for _, name := range p.Has {
		w.text("", "It has all that a "+kindLink(name)+" has, and:")
	}
	for _, f := range p.Fields {
		w.field(f, p.Shown)
	}
}

func (w *languageWriter) field(f language.Entry, shown map[string]string) {
	kind := markdown(f.Type)
	if f.Kind != "" {
		link := kindLink(f.Kind)
		if kind = strings.Replace(kind, "a struct", link, 1); !strings.Contains(kind, link) {
			kind += " (" + link + ")"
		}
	}
	if f.Required {
		kind += "; required"
	}
	if f.Default != "" {
		kind += "; default: " + markdown(f.Default)
	}
	name := "`" + f.Name + "`"
	if f.Name == "*" {
		name = "other names"
	}
	doc := withoutName(f)
	doc = markdown(strings.ToUpper(doc[:1]) + doc[1:])
	if f.Keys != "" {
		doc += " Names: " + markdown(f.Keys) + "."
	}
	if f.Becomes != "" {
		doc += " In Kubernetes: " + markdown(f.Becomes) + "."
	}
	if owner, ok := shown[f.Path]; ok {
		doc += fmt.Sprintf(" ([example](#%s))", cmp.Or(owner, kindAnchor("App")))
	}
	fmt.Fprintf(w, "- <a id=%q></a>**%s**: %s\\\n", f.Path, name, kind)
	w.text("  ", doc)
	w.code("  ", f.Example, "cue")
}

func (w *languageWriter) rule(r rule.Rule, kubernetes bool) {
	kind := string(r.Severity)
	if r.Silenceable {
		kind += ", can be silenced"
	}
	about := ""
	if len(r.Fields) > 0 {
		links := make([]string, len(r.Fields))
		for i, path := range r.Fields {
			links[i] = fmt.Sprintf("`%s`", path)
			if w.fields[path] {
				links[i] = fmt.Sprintf("[`%s`](#%s)", path, path)
			}
		}
		about = " About " + strings.Join(links, ", ") + "."
	}
	fmt.Fprintf(w, "- <a id=%q></a>**`%s`** (%s): %s.\\\n", ruleAnchor(r.Name), r.Name, kind, markdown(r.Summary))
	w.text("  ", markdown(r.Explanation)+about)
	language := "cue"
	switch {
	case kubernetes:
		language = "yaml"
	case strings.HasPrefix(r.Example, "shipit ") || strings.HasPrefix(r.Example, "CUE_REGISTRY=") || strings.HasPrefix(r.Example, "sops "):
		language = "sh"
	}
	w.code("  ", r.Example, language)
}

// text writes a paragraph.
func (w *languageWriter) text(indent, text string) {
	if text == "" {
		return
	}
	for _, line := range wrap(text, 118-len(indent)) {
		fmt.Fprintf(w, "%s%s\n", indent, line)
	}
	w.WriteString("\n")
}

func (w *languageWriter) code(indent, text, language string) {
	if text == "" {
		return
	}
	fmt.Fprintf(w, "%s```%s\n", indent, language)
	for line := range strings.Lines(text + "\n") {
		w.WriteString(strings.TrimRight(indent+line, " \n") + "\n")
	}
	fmt.Fprintf(w, "%s```\n\n", indent)
}

func kindAnchor(name string) string { return "kind-" + name }
func kindLink(name string) string   { return fmt.Sprintf("[%s](#%s)", name, kindAnchor(name)) }

// markdown is a sentence of the schema: what is in quotes, or in backquotes, is
// code, and the rest is text.
func markdown(text string) string {
	parts := regexp.MustCompile("`[^`]*`|\"[^\"]*\"|\\[[^\\]]*\\]|\\{[^}]*\\}").FindAllStringIndex(text, -1)
	escape := strings.NewReplacer("*", `\*`, "_", `\_`, "<", "&lt;").Replace
	var b strings.Builder
	end := 0
	for _, at := range parts {
		code := strings.Trim(text[at[0]:at[1]], "`")
		b.WriteString(escape(text[end:at[0]]) + "`" + code + "`")
		end = at[1]
	}
	return b.String() + escape(text[end:])
}
