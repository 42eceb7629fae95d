package mask

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// view is a text as a reader of its notation reads it, and where each byte of it
// comes from.
type view struct {
	text string
	from []int // of every byte, and of the end
}

// views are the readings of s: as it is, as a part of a URL, as a quoted string, and as
// one within another.
func views(s string) []view {
	plain := view{text: s, from: make([]int, len(s)+1)}
	for i := range plain.from {
		plain.from[i] = i
	}
	out := plain.inURLs(nil)
	quoted := plain
	for range 2 {
		if !strings.Contains(quoted.text, `\`) {
			break
		}
		quoted = quoted.read('\\', unquote)
		out = quoted.inURLs(out)
	}
	return out
}

// inURLs adds the view, and what it is if it was encoded for a URL.
func (v view) inURLs(out []view) []view {
	out = append(out, v)
	if strings.Contains(v.text, "%") {
		v = v.read('%', unescape)
		out = append(out, v)
	}
	if strings.Contains(v.text, "+") {
		out = append(out, v.read('+', func(string) (string, int) { return " ", 1 }))
	}
	return out
}

// read is the view with what decode makes of everything that begins with mark; decode
// returns how much of its argument it has read, 0 if that is nothing encoded.
func (v view) read(mark byte, decode func(string) (string, int)) view {
	out := view{from: make([]int, 0, len(v.from))}
	var b strings.Builder
	for i := 0; i < len(v.text); {
		piece, n := v.text[i:i+1], 1
		if v.text[i] == mark {
			if decoded, read := decode(v.text[i:]); read > 0 {
				piece, n = decoded, read
			}
		}
		b.WriteString(piece)
		for range len(piece) {
			out.from = append(out.from, v.from[i])
		}
		i += n
	}
	out.text, out.from = b.String(), append(out.from, v.from[len(v.text)])
	return out
}

// unescape reads %XX (RFC 3986, section 2.1).
func unescape(s string) (string, int) {
	if len(s) < 3 {
		return "", 0
	}
	c, err := strconv.ParseUint(s[1:3], 16, 8)
	if err != nil {
		return "", 0
	}
	return string([]byte{byte(c)}), 3
}

// unquote reads what follows a backslash in JSON, and in Go's and Python's strings.
func unquote(s string) (string, int) {
	if len(s) < 2 {
		return "", 0
	}
	if i := strings.IndexByte(`nrtbf"\/'`, s[1]); i >= 0 {
		return "\n\r\t\b\f\"\\/'"[i : i+1], 2
	}
	digits := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[1]]
	if digits == 0 || len(s) < 2+digits {
		return "", 0
	}
	c, err := strconv.ParseUint(s[2:2+digits], 16, 32)
	if err != nil {
		return "", 0
	}
	if s[1] == 'x' {
		return string([]byte{byte(c)}), 4
	}
	if low, n := pair(s, rune(c)); n > 0 {
		return string(low), n
	}
	return string(utf8.AppendRune(nil, rune(c))), 2 + digits
}

// pair reads the two halves of a character beyond U+FFFF, as JSON writes it.
func pair(s string, high rune) (rune, int) {
	if high < 0xd800 || high >= 0xdc00 || len(s) < 12 || s[6:8] != `\u` {
		return 0, 0
	}
	low, err := strconv.ParseUint(s[8:12], 16, 32)
	if err != nil || low < 0xdc00 || low > 0xdfff {
		return 0, 0
	}
	return 0x10000 + (high-0xd800)<<10 + rune(low) - 0xdc00, 12
}
