// Package mask takes the values of secrets out of text that people, records and
// reports get to read.
package mask

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"
)

// Stars stand where a value was.
const Stars = "***"

// Masker knows values. Its zero value knows none, and is ready for use, by many
// goroutines at once; a nil Masker masks nothing.
//
// A value of fewer than four characters is not masked, nor is one that is ordinary by
// itself (true, none, a number of up to five digits): it would take half of a text
// with it, and is no secret for long. One of fewer than eight characters, and a word of
// fewer than sixteen letters, is masked where it stands as a word.
type Masker struct {
	mu      sync.RWMutex
	seen    map[string]bool
	public  map[string]bool
	needles []needle // the longest first
	sorted  bool
}

// needle is one form of a value.
type needle struct {
	text string
	word bool   // it is masked only as a word
	of   string // the value
}

// publicUpTo bounds what is believed to be no secret since it is written elsewhere too.
const publicUpTo = 16

// Add makes values known.
func (m *Masker) Add(values ...[]byte) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, v := range values {
		if value := string(v); value != "" && !m.seen[value] {
			if m.seen == nil {
				m.seen = map[string]bool{}
			}
			m.seen[value] = true
			m.needles = append(m.needles, forms(value)...)
			m.sorted = false
		}
	}
	m.dropPublic()
}

// Public says of words that they are written in clear elsewhere, such as the name of
// a service: a short value that is the same is not masked.
func (m *Masker) Public(words ...string) {
	if m == nil {
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.public == nil {
		m.public = map[string]bool{}
	}
	for _, w := range words {
		if len(w) < publicUpTo {
			m.public[w] = true
		}
	}
	m.dropPublic()
}

func (m *Masker) dropPublic() {
	m.needles = slices.DeleteFunc(slices.Clone(m.needles), func(n needle) bool { return m.public[n.of] })
}

// known returns the forms of all values, each once, the longest first.
func (m *Masker) known() []needle {
	m.mu.RLock()
	needles, sorted := m.needles, m.sorted
	m.mu.RUnlock()
	if sorted {
		return needles
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	needles = slices.Clone(m.needles)
	slices.SortFunc(needles, func(a, b needle) int {
		return cmp.Or(len(b.text)-len(a.text), strings.Compare(a.text, b.text))
	})
	m.needles, m.sorted = needles, true
	return needles
}

// Text returns s with Stars for every known value, whether it is written as it is,
// in base64, in a URL, or in a quoted string. A value that is cut off at either end of
// s is masked as well.
func (m *Masker) Text(s string) string {
	if m == nil || s == "" {
		return s
	}
	needles := m.known()
	if len(needles) == 0 {
		return s
	}
	var found []span
	for _, v := range views(s) {
		for _, n := range needles {
			found = v.find(n, found)
		}
	}
	return starred(s, found)
}

// Lines is Text for lines that belong together.
func (m *Masker) Lines(lines []string) []string {
	out := slices.Clone(lines)
	for i, l := range out {
		out[i] = m.Text(l)
	}
	return out
}

// span is a part of a text, in bytes.
type span struct{ from, to int }

func starred(s string, found []span) string {
	if len(found) == 0 {
		return s
	}
	slices.SortFunc(found, func(a, b span) int { return cmp.Or(a.from-b.from, b.to-a.to) })
	var b strings.Builder
	done := 0
	for i := 0; i < len(found); {
		all := found[i]
		for i++; i < len(found) && found[i].from <= all.to; i++ {
			all.to = max(all.to, found[i].to)
		}
		b.WriteString(s[done:all.from])
		b.WriteString(Stars)
		done = all.to
	}
	b.WriteString(s[done:])
	return b.String()
}

// find adds where n is in the view.
func (v view) find(n needle, found []span) []span {
	for at := 0; ; {
		i := strings.Index(v.text[at:], n.text)
		if i < 0 {
			break
		}
		from := at + i
		to := from + len(n.text)
		if !n.word || v.isWord(from, to) {
			found = append(found, span{v.from[from], v.from[to]})
			at = to
		} else {
			at = from + 1
		}
	}
	if n.word {
		return found
	}
	return v.findCut(n, found)
}

// findCut adds an end of n at the beginning of the view, and a beginning of n at its
// end: what a limit of the kubelet's or the API server's left of it.
func (v view) findCut(n needle, found []span) []span {
	const most = 4096
	least := max(8, min(16, len(n.text)/2))
	for k := min(len(n.text)-1, len(v.text), most); k >= least; k-- {
		if strings.HasPrefix(v.text, n.text[len(n.text)-k:]) {
			found = append(found, span{v.from[0], v.from[k]})
			break
		}
	}
	end := strings.TrimRight(v.text, ".…\"' \n")
	for k := min(len(n.text)-1, len(end), most); k >= least; k-- {
		if strings.HasSuffix(end, n.text[:k]) {
			found = append(found, span{v.from[len(end)-k], v.from[len(end)]})
			break
		}
	}
	return found
}

// isWord reports whether no letter or digit is next to a part of the view.
func (v view) isWord(from, to int) bool {
	before, _ := utf8.DecodeLastRuneInString(v.text[:from])
	after, _ := utf8.DecodeRuneInString(v.text[to:])
	return !(from > 0 && inWord(before)) && !(to < len(v.text) && inWord(after))
}

func inWord(r rune) bool { return r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r) }
