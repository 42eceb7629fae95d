package render

import (
	"bytes"
	"cmp"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/yaml"
)

// yamlWriter writes documents byte for byte as sigs.k8s.io/yaml does, which takes
// most of the time of rendering a project: it writes JSON, reads that, and writes
// it again. Here objects are written as they are, and texts that are plain to see
// how to write; the library is asked for the others, once for each, and for whole
// documents with what is not foreseen here.
type yamlWriter struct {
	out   []byte
	asked map[string]string // by text, how the library writes it
}

func (w *yamlWriter) text(s string) { w.out = append(w.out, s...) }

// document writes fields, which have the types of JSON, with int64 for integers.
func (w *yamlWriter) document(fields map[string]any) error {
	start := len(w.out)
	if len(fields) > 0 && w.fields(fields, 0) {
		return nil
	}
	doc, err := yaml.Marshal(fields)
	w.out = append(w.out[:start], doc...)
	return err
}

// widest is the column up to which nothing is written over several lines.
const widest = 78

// fields writes a map from the current column on, of which the first line has the
// indentation already. It reports whether it could.
func (w *yamlWriter) fields(m map[string]any, indent int) bool {
	keys := make([]string, 0, len(m))
	for k := range m {
		if !ascii(k) {
			return false
		}
		keys = append(keys, k)
	}
	slices.SortFunc(keys, yamlOrder)
	for i, k := range keys {
		if i > 0 {
			w.spaces(indent)
		}
		// A long key has a form of its own.
		if len(k) > 100 || !w.line(k, 0) {
			return false
		}
		w.text(":")
		if !w.value(m[k], indent, indent+len(k)) {
			return false
		}
	}
	return true
}

// value writes what follows a key, or the dash of a list, up to the end of the line
// or lines. The indentation is that of the key, the column at least where it ends.
func (w *yamlWriter) value(v any, indent, column int) bool {
	switch v := v.(type) {
	case map[string]any:
		if len(v) == 0 {
			w.text(" {}\n")
			return true
		}
		w.text("\n")
		w.spaces(indent + 2)
		return w.fields(v, indent+2)
	case []any:
		if len(v) == 0 {
			w.text(" []\n")
			return true
		}
		w.text("\n")
		return w.items(v, indent)
	case string:
		w.text(" ")
		if strings.Contains(v, "\n") {
			return w.lines(v, indent+2)
		}
		if !w.line(v, column+4) {
			return false
		}
	case int64:
		w.text(" ")
		w.out = strconv.AppendInt(w.out, v, 10)
	case bool:
		w.text(" ")
		w.out = strconv.AppendBool(w.out, v)
	default:
		return false
	}
	w.text("\n")
	return true
}

// items writes a list, its dashes where the key of the list is.
func (w *yamlWriter) items(list []any, indent int) bool {
	for _, item := range list {
		w.spaces(indent)
		w.text("-")
		if m, ok := item.(map[string]any); ok && len(m) > 0 {
			w.text(" ")
			if !w.fields(m, indent+2) {
				return false
			}
			continue
		}
		if l, ok := item.([]any); ok && len(l) > 0 {
			return false
		}
		if !w.value(item, indent, indent) {
			return false
		}
	}
	return true
}

func (w *yamlWriter) spaces(n int) {
	for range n {
		w.out = append(w.out, ' ')
	}
}

// lines writes a text of several lines as a literal, when its lines are such as
// one has.
func (w *yamlWriter) lines(s string, indent int) bool {
	if s[0] == ' ' || s[0] == '\n' || strings.HasSuffix(s, " ") || strings.HasSuffix(s, "\n\n") || strings.Contains(s, " \n") {
		return false
	}
	if !ascii(strings.ReplaceAll(s, "\n", "")) {
		return false
	}
	body, ended := strings.CutSuffix(s, "\n")
	if ended {
		w.text("|\n")
	} else {
		w.text("|-\n")
	}
	for line := range strings.SplitSeq(body, "\n") {
		if line != "" {
			w.spaces(indent)
			w.text(line)
		}
		w.text("\n")
	}
	return true
}

// line writes a text of one line that begins at a column.
func (w *yamlWriter) line(s string, column int) bool {
	if strings.Contains(s, " ") && column+2*len(s) > widest {
		return false
	}
	switch {
	case plainText(s):
		w.text(s)
		return true
	case digits(s):
		w.text(`"` + s + `"`)
		return true
	}
	written, ok := w.asked[s]
	if !ok {
		if strings.Contains(s, "\n") {
			return false
		}
		doc, err := yaml.Marshal(s)
		if err != nil || bytes.Count(doc, []byte("\n")) != 1 {
			return false
		}
		if w.asked == nil {
			w.asked = map[string]string{}
		}
		written = string(doc[:len(doc)-1])
		w.asked[s] = written
	}
	w.text(written)
	return true
}

// digits reports whether a text would be read as an integer, without a sign.
func digits(s string) bool {
	for i := range len(s) {
		if !digit(s[i]) {
			return false
		}
	}
	return s == "0" || s != "" && s[0] != '0' && len(s) < 18
}

// plainText reports whether a text is surely written as it is: it begins with a
// letter, has nothing in it that YAML would read otherwise, and is no word for a
// bool or null. Some others are too.
func plainText(s string) bool {
	if s == "" || !letter(s[0]) {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case letter(c), digit(c), c == '-', c == '_', c == '.', c == '/', c == '@', c == '=', c == '+', c == ',', c == '(', c == ')':
		case c == ' ', c == ':':
			if i+1 == len(s) || !letter(s[i+1]) && !digit(s[i+1]) && s[i+1] != '/' {
				return false
			}
		default:
			return false
		}
	}
	if len(s) > 5 {
		return true
	}
	switch strings.ToLower(s) {
	case "y", "yes", "on", "n", "no", "off", "true", "false", "null":
		return false
	}
	return true
}

// ascii reports whether there is nothing else in a text that can be printed.
func ascii(s string) bool {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			return false
		}
	}
	return true
}

func letter(c byte) bool { return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' }

// yamlOrder is how the library sorts keys, which are ASCII: runs of digits by
// their value, and letters after all else.
func yamlOrder(a, b string) int {
	i := 0
	for i < len(a) && i < len(b) && a[i] == b[i] {
		i++
	}
	if i == len(a) || i == len(b) {
		return cmp.Compare(len(a), len(b))
	}
	switch x, y := letter(a[i]), letter(b[i]); {
	case x && y:
		return cmp.Compare(a[i], b[i])
	case x:
		return 1
	case y:
		return -1
	}
	// Zeros count when they are inside of a number.
	var start int64
	if a[i] == '0' || b[i] == '0' {
		for j := i - 1; j >= 0 && digit(a[j]); j-- {
			if a[j] != '0' {
				start = 1
				break
			}
		}
	}
	x, lenX := number(a[i:], start)
	y, lenY := number(b[i:], start)
	return cmp.Or(cmp.Compare(x, y), cmp.Compare(lenX, lenY), cmp.Compare(a[i], b[i]))
}

// number reads the digits that s begins with, after what start says, and gives how
// many they are.
func number(s string, start int64) (int64, int) {
	n := 0
	for n < len(s) && digit(s[n]) {
		start = start*10 + int64(s[n]-'0')
		n++
	}
	return start, n
}

func digit(c byte) bool { return '0' <= c && c <= '9' }
