package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fatih/color"
	"github.com/shipit-dev/shipit/internal/nearest"
	"github.com/shipit-dev/shipit/schema/language"
	"github.com/shipit-dev/shipit/schema/rule"
	"github.com/spf13/cobra"
)

// rulePrefix begins the name of a rule where fields are named, too.
const rulePrefix = "rule/"

func newExplainCommand(s streams) *cobra.Command {
	var output string
	cmd := &cobra.Command{
		Use:        "explain [FIELD | rules | rule/NAME]",
		SuggestFor: []string{"describe", "doc", "docs", "man"},
		Short:      "Say what a field of the language is, or what a rule is about",
		Long: `Say what a field of the language is: what its value must be, its default, what it
becomes in Kubernetes, its own fields, and an example; or what a rule is about
that validate has named. A field is named by its path, with names or without.`,
		Example: `  shipit explain                                 what an App has
  shipit explain services.probes                 a field, by its path
  shipit explain services.web.probes.readiness   the same with names
  shipit explain rules                           every rule
  shipit explain rule/quota-never-fits           one of them`,
		Args:              maxArgs(1),
		ValidArgsFunction: completeExplain,
		RunE: func(_ *cobra.Command, args []string) error {
			if output != "text" && output != "json" {
				return usagef("-o %s: the formats are text and json", output)
			}
			what, err := explain(strings.Join(args, ""))
			if err != nil {
				return err
			}
			if output == "text" {
				_, err = fmt.Fprint(s.out, what.text(newPage(s)))
				return err
			}
			return s.json(newJSONExplanation(what))
		},
	}
	addFormats(cmd, &output, "text", "json")
	return cmd
}

// explanation is what explain prints.
type explanation interface{ text(p *page) string }

// explain finds what a name stands for: a field comes before a rule.
func explain(name string) (explanation, error) {
	if rule, ok := strings.CutPrefix(name, rulePrefix); ok {
		return explainRule(rule)
	}
	if name == "rules" || name == "rule" {
		return explainedRules(allRules()), nil
	}
	f, err := language.Explain(name)
	if err == nil {
		return explainedField(f), nil
	}
	if r, ok := ruleNamed(name); ok {
		return explainedRule(r), nil
	}
	var unknown *language.UnknownFieldError
	if errors.As(err, &unknown) {
		return nil, usageError{err}
	}
	return nil, err
}

func explainRule(name string) (explanation, error) {
	if r, ok := ruleNamed(name); ok {
		return explainedRule(r), nil
	}
	var names []string
	for _, r := range allRules() {
		names = append(names, r.Name)
	}
	if near := nearest.Name(name, names); near != "" {
		return nil, usageError{hinted{fmt.Errorf("there is no rule %q", name), fmt.Sprintf("did you mean %s%s?", rulePrefix, near)}}
	}
	return nil, usageError{hinted{fmt.Errorf("there is no rule %q", name), "shipit explain rules lists them"}}
}

// completeExplain gives what may follow what is typed so far.
func completeExplain(_ *cobra.Command, args []string, typed string) ([]cobra.Completion, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	if strings.HasPrefix(typed, rulePrefix) {
		var all []cobra.Completion
		for _, r := range allRules() {
			all = append(all, cobra.CompletionWithDesc(rulePrefix+r.Name, r.Summary))
		}
		return all, cobra.ShellCompDirectiveNoFileComp
	}
	before := typed[:strings.LastIndexByte(typed, '.')+1]
	f, err := language.Explain(before)
	if err != nil {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	var all []cobra.Completion
	for _, sub := range f.Fields {
		if sub.Name == "*" {
			continue
		}
		all = append(all, cobra.CompletionWithDesc(before+sub.Name, aboutField(sub)))
	}
	if before == "" {
		all = append(all, cobra.CompletionWithDesc("rules", "every rule"), cobra.CompletionWithDesc(rulePrefix, "a rule"))
	}
	return all, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
}

type (
	explainedField language.Entry
	explainedRule  rule.Rule
	explainedRules []rule.Rule
)

func (f explainedField) text(p *page) string {
	if f.Path == "" {
		return f.overview(p)
	}
	p.title(f.Path)
	p.paragraph(f.Doc)
	if f.About != "" {
		p.paragraph(f.About)
	}
	kind := f.Type
	if f.Required {
		kind += " (required)"
	}
	facts := [][2]string{{"type", kind}, {"names", f.Keys}, {"default", f.Default}, {"becomes", f.Becomes}, {"also called", strings.Join(f.Aliases, ", ")}, {"instead of", strings.Join(f.Instead, ", ")}}
	p.table(slices.DeleteFunc(facts, func(row [2]string) bool { return row[1] == "" }))
	p.fields(f.Fields)
	if f.Example != "" {
		p.title("Example")
		p.verbatim(f.Example)
	}
	if len(f.Rules) > 0 {
		p.title("Rules")
		var rows [][2]string
		for _, name := range f.Rules {
			r, _ := ruleNamed(name)
			rows = append(rows, [2]string{rulePrefix + name, r.Summary})
		}
		p.table(rows)
	}
	switch {
	case len(f.Fields) > 0:
		p.line("More: shipit explain " + f.Path + "." + f.Fields[0].Name)
	case len(f.Rules) > 0:
		p.line("More: shipit explain " + rulePrefix + f.Rules[0])
	}
	return p.String()
}

func (f explainedField) overview(p *page) string {
	p.title("App")
	p.paragraph(f.About)
	p.fields(f.Fields)
	if f.Example != "" {
		p.title("Example")
		p.verbatim(f.Example)
	}
	p.title("More")
	p.table([][2]string{
		{"shipit explain services", "what a service has"},
		{"shipit explain services.probes", "any field, by its path"},
		{"shipit explain rules", "what is checked, and what to do about it"},
	})
	return p.String()
}

func (r explainedRule) text(p *page) string {
	p.title(rulePrefix + r.Name)
	p.paragraph(r.Summary + ".")
	p.paragraph(r.Explanation)
	facts := [][2]string{{"severity", string(r.Severity)}, {"silence", silence(rule.Rule(r))}}
	if len(r.Fields) > 0 {
		facts = append(facts, [2]string{"about", strings.Join(r.Fields, ", ")})
	}
	p.table(facts)
	if r.Example != "" {
		p.title("Example")
		p.verbatim(r.Example)
	}
	if len(r.Fields) > 0 {
		p.line("More: shipit explain " + r.Fields[0])
	}
	return p.String()
}

// silence says how a rule is silenced.
func silence(r rule.Rule) string {
	if !r.Silenceable {
		return "cannot be silenced"
	}
	return "// shipit:ignore " + r.Name + " REASON at the end of the line, or above it"
}

func (rules explainedRules) text(p *page) string {
	var rows [][2]string
	for _, severity := range []rule.Severity{rule.Error, rule.Warning} {
		p.title(map[rule.Severity]string{rule.Error: "Errors", rule.Warning: "Warnings"}[severity])
		rows = rows[:0]
		for _, r := range rules {
			if r.Severity == severity {
				name := r.Name
				if r.Silenceable {
					name += " *"
				}
				rows = append(rows, [2]string{name, r.Summary})
			}
		}
		p.table(rows)
	}
	p.line("* can be silenced where it is: // shipit:ignore RULE REASON")
	p.line("More: shipit explain " + rulePrefix + rules[0].Name)
	return p.String()
}

// page lays out text in lines of at most 80 characters.
type page struct {
	b    strings.Builder
	bold *color.Color
}

const pageWidth = 80

func newPage(s streams) *page {
	p := &page{bold: color.New(color.Bold)}
	p.bold.DisableColor()
	if s.colours(s.out) {
		p.bold.EnableColor()
	}
	return p
}

// String gives the page, without empty lines at its ends.
func (p *page) String() string { return strings.Trim(p.b.String(), "\n") + "\n" }

func (p *page) title(text string) { fmt.Fprintf(&p.b, "%s\n\n", p.bold.Sprint(text)) }
func (p *page) line(text string)  { fmt.Fprintf(&p.b, "%s\n", text) }

func (p *page) paragraph(text string) {
	for _, line := range wrap(text, pageWidth-2) {
		p.line("  " + line)
	}
	p.line("")
}

func (p *page) verbatim(text string) {
	for line := range strings.Lines(text) {
		p.line(strings.TrimRight("  "+strings.ReplaceAll(line, "\t", "    "), " \n"))
	}
	p.line("")
}

// fields lists what a struct has.
func (p *page) fields(fields []language.Entry) {
	if len(fields) == 0 {
		return
	}
	p.title("Fields")
	rows := make([][2]string, len(fields))
	for i, f := range fields {
		rows[i] = [2]string{f.Name, aboutField(f)}
		if f.Name == "*" {
			rows[i][0] = "(others)"
		}
		if f.Required {
			rows[i][1] = "(required) " + rows[i][1]
		}
	}
	p.table(rows)
}

// table has two columns, of which the second is wrapped.
func (p *page) table(rows [][2]string) {
	width := 0
	for _, row := range rows {
		width = max(width, len(row[0]))
	}
	for _, row := range rows {
		name := row[0]
		for _, line := range wrap(row[1], pageWidth-width-4) {
			p.line(fmt.Sprintf("  %-*s  %s", width, name, line))
			name = ""
		}
	}
	p.line("")
}

// wrap breaks a text between words; a longer word is not broken.
func wrap(text string, width int) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case len([]rune(line))+1+len([]rune(word)) <= width:
			line += " " + word
		default:
			lines, line = append(lines, line), word
		}
	}
	return append(lines, line)
}

// aboutField is the first sentence about a field, for beside its name.
func aboutField(f language.Entry) string {
	text, _, _ := strings.Cut(withoutName(f), ". ")
	return strings.TrimSuffix(text, ".")
}

// withoutName is what a field is, without its name where that begins a sentence:
// "replicas is how many pods run" is "how many pods run".
func withoutName(f language.Entry) string {
	rest, ok := strings.CutPrefix(f.Doc, f.Name+" ")
	verb, after, _ := strings.Cut(rest, " ")
	switch {
	case !ok:
		return f.Doc
	case verb == "is" || verb == "are":
		return after
	case strings.HasSuffix(verb, "s"): // says, lets, keeps
		return rest
	}
	return f.Doc
}
