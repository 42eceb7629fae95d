package mask

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
	"unicode/utf8"
)

const (
	shortest  = 4  // what is shorter is not masked
	anywhere  = 8  // what is shorter is masked as a word
	wordUpTo  = 16 // as is what has letters only and is shorter than this
	wholeUpTo = 64 << 10
	mostParts = 2000 // of one value
)

// ordinary are words that are in many texts and say nothing.
var ordinary = map[string]bool{"true": true, "false": true, "null": true, "none": true}

// forms are the ways in which a value may be written, and those of its parts that are
// secret by themselves: a password in a URL, the lines of a file, the strings of a JSON
// document.
func forms(value string) []needle {
	var out []needle
	add := func(text string) { out = append(out, plain(text, value)...) }
	whole := strings.TrimSpace(value)
	if len(value) <= wholeUpTo {
		add(whole)
		if value != whole {
			out = append(out, encoded(value, value)...)
		}
	}
	if utf8.ValidString(value) {
		for _, p := range parts(whole) {
			add(p)
		}
	}
	return out
}

// plain are the forms of one text.
func plain(text, of string) []needle {
	if len(text) < shortest || ordinary[strings.ToLower(text)] || len(text) < 6 && strings.Trim(text, "0123456789") == "" {
		return nil
	}
	word := len(text) < anywhere || len(text) < wordUpTo && isLetters(text)
	return append([]needle{{text, word, of}}, encoded(text, of)...)
}

func isLetters(text string) bool {
	return strings.Trim(strings.ToLower(text), "abcdefghijklmnopqrstuvwxyz") == ""
}

// encoded are the forms of text in base64, by itself and within more.
func encoded(text, of string) []needle {
	if len(text) < shortest {
		return nil
	}
	var out []needle
	for i, enc := range []*base64.Encoding{base64.StdEncoding, base64.URLEncoding} {
		full := enc.EncodeToString([]byte(text))
		if i > 0 && full == base64.StdEncoding.EncodeToString([]byte(text)) && !strings.ContainsAny(text, "\x3e\x3f\x7e\x7f") {
			continue
		}
		if len(text) < anywhere {
			echoed := enc.EncodeToString([]byte(text + "\n"))
			for _, form := range []string{full, strings.TrimRight(full, "="), echoed, strings.TrimRight(echoed, "=")} {
				out = append(out, needle{form, true, of})
			}
			continue
		}
		out = append(out, needle{full, false, of})
		for shift := range 3 {
			// Of what is encoded beside it, the outer characters hold bits too.
			within := enc.EncodeToString([]byte("\x00\x00\x00"[:shift] + text))
			out = append(out, needle{within[(shift*8+5)/6 : (shift+len(text))*8/6], false, of})
		}
		for _, width := range []int{64, 76} { // as programs break lines
			for at := 0; len(full) > width && at+16 <= len(full) && at < mostParts*width; at += width {
				out = append(out, needle{full[at:min(at+width, len(full))], false, of})
			}
		}
	}
	return out
}

// keyed is a line that gives a key a value: YAML, .env, .ini, properties, JSON.
var keyed = regexp.MustCompile(`^["']?[\w./-]+["']?\s*[:=]\s*(\S.*)$`)

// parts are what of a value is secret by itself.
func parts(value string) []string {
	out := inURL(value)
	var document any
	if strings.ContainsAny(value[:min(1, len(value))], "{[") && json.Unmarshal([]byte(value), &document) == nil {
		return append(out, leaves(document, nil)...)
	}
	if !strings.Contains(value, "\n") {
		return out
	}
	for line := range strings.Lines(value) {
		line = strings.TrimSpace(line)
		if len(out) >= mostParts {
			break
		}
		if strings.HasPrefix(line, "-----") { // of PEM, which says what follows
			continue
		}
		if m := keyed.FindStringSubmatch(line); m != nil {
			line = strings.Trim(strings.TrimRight(m[1], ","), `"'`)
		}
		out = append(out, part(line)...)
	}
	return out
}

// part is text if it may be told from others by itself, with what it has in it.
func part(text string) []string {
	if u, err := url.Parse(text); err == nil && u.Host != "" && u.User == nil && u.RawQuery == "" {
		return nil // of a document: where to go
	}
	if len(text) < anywhere {
		return nil
	}
	return append(inURL(text), text)
}

// inURL is the password of a URL, as it is and as it is written.
func inURL(text string) []string {
	_, rest, ok := strings.Cut(text, "://")
	if !ok {
		return nil
	}
	authority, _, _ := strings.Cut(rest, "/")
	at := strings.LastIndex(authority, "@")
	if at < 0 { // a password may have a slash that nobody encoded
		if at = strings.LastIndex(rest, "@"); at < 0 {
			return nil
		}
		authority = rest
	}
	_, password, ok := strings.Cut(authority[:at], ":")
	if !ok || password == "" {
		return nil
	}
	out := []string{password}
	if decoded, err := url.PathUnescape(password); err == nil && decoded != password {
		out = append(out, decoded)
	}
	return out
}

// leaves are the strings in a JSON document.
func leaves(v any, out []string) []string {
	if len(out) >= mostParts {
		return out
	}
	switch v := v.(type) {
	case map[string]any:
		for _, e := range v {
			out = leaves(e, out)
		}
	case []any:
		for _, e := range v {
			out = leaves(e, out)
		}
	case string:
		if strings.Contains(v, "\n") {
			out = append(out, parts(v)...)
		}
		out = append(out, part(v)...)
	}
	return out
}
