package schema

import (
	"fmt"
	"path"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	"github.com/shipit-dev/shipit/schema/rule"
)

// What fits the language, but surely was meant otherwise.

var (
	secretName = regexp.MustCompile(`(?i)(^|[_.-])(password|passwd|passphrase|token|api[_-]?key|access[_-]?key|private[_-]?key|secret[_-]?key|client[_-]?secret|jwt[_-]?secret)$`)
	secretText = regexp.MustCompile(`-----BEGIN [A-Z ]*PRIVATE KEY-----|\bgh[pousr]_[A-Za-z0-9]{30,}|[a-z]://[^/@\s:]*:[^/@\s:$({]{4,}@`)
	helmText   = regexp.MustCompile(`\{\{-?\s*(\.Values|\.Release|\.Chart|include |template |tpl |toYaml )`)
	shellText  = regexp.MustCompile(`^\$(\{[A-Za-z_][^}]*\}|[A-Za-z_]\w*)$`)
	shell      = regexp.MustCompile(`^(/\S*/)?(ba|da|a|z|k)?sh$`)
	notSecret  = regexp.MustCompile(`\$\(|^/|^[0-9]*$|^(true|false)$|\s`)
)

// texts looks at what a container is told: its variables, its command, its arguments.
func (d *decoder) texts(n *node) {
	env, command := n.get("env"), n.get("command")
	d.item(env)
	for _, v := range sorted(env) {
		d.text(v, v.name)
		if shellText.MatchString(v.str()) {
			d.unfilled(v)
		}
	}
	d.program(command)
	for _, list := range []*node{command, n.get("args")} {
		if !list.is(cue.ListKind) {
			continue
		}
		for _, item := range list.items {
			name, _, _ := strings.Cut(item.str(), "=")
			d.text(&node{kind: item.kind, text: strings.TrimPrefix(item.text, name+"="), path: item.path, pos: item.pos}, name)
			if shellText.MatchString(item.str()) && (!command.is(cue.ListKind) || len(command.items) == 0 || !shell.MatchString(command.items[0].str())) {
				d.unfilled(item)
			}
		}
	}
}

// text warns of one that is filled in by another tool, or looks like a secret. What it
// is is not told: it could be one.
func (d *decoder) text(n *node, name string) {
	text := n.str()
	switch {
	case helmText.MatchString(text):
		d.unfilled(n)
	case secretText.MatchString(text), secretName.MatchString(name) && text != "" && !notSecret.MatchString(text) && !shellText.MatchString(text):
		d.wrong(n, rule.SecretInText, n.path+" looks like a secret", "whoever reads the project reads it",
			`write where it comes from: secrets: app: key: env: "VARIABLE", and secret: "app/key" for the variable`)
	}
}

func (d *decoder) unfilled(n *node) {
	d.wrong(n, rule.NothingFills, n.path+" has a place that nothing fills in", "the program gets it as it is written",
		`take it from the command line: "\(_tag)" with _tag: string @tag(tag); in env, $(NAME) is another variable`)
}

// item tells of a variable that is written as the item of a list.
func (d *decoder) item(env *node) {
	name, value := env.get("name"), env.get("value")
	if len(sorted(env)) == 2 && name.is(cue.StringKind) && value.is(cue.StringKind) {
		d.against(name, value, rule.WordAsName, env.path+" has two variables, called name and value", "a variable is a field of its own",
			fmt.Sprintf("write env: %s: …", label(name.text)))
	}
}

// program tells of one that is named together with its arguments.
func (d *decoder) program(command *node) {
	if command.is(cue.ListKind) && len(command.items) > 0 && len(strings.Fields(command.items[0].str())) > 1 {
		d.wrong(command.items[0], rule.ProgramName, fmt.Sprintf("%s has no program %q", command.path, command.items[0].text),
			"each argument is an item of its own", commandHint(command.items[0].text))
	}
}

// exec decodes the command of a probe, or of a hook.
func (d *decoder) exec(n *node) []string {
	d.program(n.get("exec"))
	return n.get("exec").strings()
}

// keys tells of keys of a config or a secret that are words of the language.
func (d *decoder) keys(set *node) {
	for _, f := range sorted(set) {
		file := f.str()
		switch {
		case f.name == "file" && file != "" && filepath.IsLocal(file) && (len(set.fields) == 1 || d.there(file)):
			d.wrong(f, rule.WordAsName, fmt.Sprintf("%s has a key called file, with the text %q", set.path, file), "a config is a set of keys, each with a text or a file",
				fmt.Sprintf("write %s: %s: file: %q", label(set.name), label(path.Base(file)), file))
		case f.is(cue.StructKind) && (f.name == "sops" || f.name == "external"):
			d.wrong(f, rule.WordAsName, fmt.Sprintf("%s has a key called %s", set.path, f.name), "a secret is a set of keys, each of which says where it comes from",
				fmt.Sprintf("write %s: password: %s: {…}", label(set.name), f.name))
		}
	}
}

func (d *decoder) there(file string) bool {
	_, err := below(d.project.Root, filepath.Join(d.project.Dir, filepath.FromSlash(file)))
	return err == nil
}

// mode decodes that of files.
func (d *decoder) mode(n *node) *int32 {
	if !n.is(cue.IntKind) {
		return nil
	}
	mode := int32(n.int64())
	if meant, err := strconv.ParseInt(n.text, 8, 32); err == nil && strings.HasPrefix(n.text, "4") && meant&0o111 == 0 && mode&0o022 != 0 {
		d.wrong(n, rule.ModeInDecimal, fmt.Sprintf("%s is %s, which is 0o%o", n.path, n.text, mode), "a number is decimal unless it begins with 0o", "write 0o"+n.text)
	}
	return &mode
}
