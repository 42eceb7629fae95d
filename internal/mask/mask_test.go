package mask

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"testing"
)

const pem = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEA\nr3Jk5x0lB7b1+kq/\n-----END PRIVATE KEY-----\n"

// TestEveryWriting: in whichever notation a value is written, none of it is left.
func TestEveryWriting(t *testing.T) {
	t.Parallel()
	writings := map[string]func(string) string{
		"plain":    func(v string) string { return "password is " + v + " (of 2)" },
		"adjacent": func(v string) string { return "p=" + v + ";q" },
		"base64":   func(v string) string { return "data: " + base64.StdEncoding.EncodeToString([]byte(v)) },
		"echoed":   func(v string) string { return base64.StdEncoding.EncodeToString([]byte(v + "\n")) },
		"raw url base64": func(v string) string {
			return "t=" + base64.RawURLEncoding.EncodeToString([]byte(v))
		},
		"query": func(v string) string { return "GET /?p=" + url.QueryEscape(v) + "&q=1" },
		"path":  func(v string) string { return "GET /" + url.PathEscape(v) + "/x" },
		"lower percent": func(v string) string {
			var b strings.Builder
			for _, c := range []byte(v) {
				fmt.Fprintf(&b, "%%%02x", c)
			}
			return b.String()
		},
		"go quoted":   func(v string) string { return fmt.Sprintf("Invalid value: %q: no", v) },
		"json":        func(v string) string { b, _ := json.Marshal(map[string]string{"p": v}); return string(b) },
		"json twice":  func(v string) string { b, _ := json.Marshal(v); b, _ = json.Marshal(string(b)); return string(b) },
		"base64 path": func(v string) string { return url.QueryEscape(base64.StdEncoding.EncodeToString([]byte(v))) },
	}
	for _, value := range []string{
		"hunter2", "s3cr", "correct horse battery staple", "swordfish", "p@ss/w%rd+\"quoted\"\\x", "ключ-от-двери", "a>b?c~d>e?f", "tab\tand more of it", pem,
	} {
		for name, write := range writings {
			var m Masker
			m.Add([]byte(value))
			text := write(value)
			got := m.Text(text)
			if !strings.Contains(got, Stars) || strings.Contains(got, value) || len(strings.TrimSpace(value)) < anywhere && got == text {
				t.Errorf("%s of %q: %q", name, value, got)
			}
			for _, line := range strings.Split(value, "\n") {
				if len(line) >= anywhere && !strings.HasPrefix(line, "--") && strings.Contains(got, line) {
					t.Errorf("%s of %q: a line of it is left: %q", name, value, got)
				}
			}
		}
	}
}

// TestWithinBase64: a value that is encoded together with others.
func TestWithinBase64(t *testing.T) {
	t.Parallel()
	for _, before := range []string{"", "u:", "ab", "admin:", "somebody:"} {
		var m Masker
		m.Add([]byte("hunter2hunter2"))
		text := "Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(before+"hunter2hunter2 and more"))
		got := m.Text(text)
		var left string
		for _, w := range strings.Split(strings.TrimPrefix(got, "Authorization: Basic "), Stars) {
			left += w
		}
		if decoded, _ := base64.RawStdEncoding.DecodeString(left); strings.Contains(string(decoded), "unter") || !strings.Contains(got, Stars) {
			t.Errorf("%q: %s", before, got)
		}
	}
}

// TestParts: what is secret in a value is so by itself.
func TestParts(t *testing.T) {
	t.Parallel()
	tests := []struct{ value, text, want string }{
		{pem, "key: MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEA!", "key: ***!"},
		{pem, "-----BEGIN PRIVATE KEY----- expected", "-----BEGIN PRIVATE KEY----- expected"},
		{"postgres://app:hunter2@db/app", "auth failed for app with hunter2", "auth failed for app with ***"},
		{"postgres://app:p%40ss%2Fword@db/app", "auth failed with p@ss/word", "auth failed with ***"},
		{"postgres://app:pa/ss@db/app", "auth failed with pa/ss", "auth failed with ***"},
		{`{"auths":{"r.example":{"username":"u","password":"verysecret9"}}}`, "r.example says no to verysecret9", "r.example says no to ***"},
		{"apiVersion: v1\nkind: Config\ntoken: abcdefgh12345\n", "apiVersion: v1, token abcdefgh12345, kind: Config", "apiVersion: v1, token ***, kind: Config"},
		{"USER=app\nPASSWORD=\"long enough\"\n", "got long enough", "got ***"},
		{"hunter2hunter2\r\n", "hunter2hunter2", "***"},
		{"0123456789abcdef0123456789abcdef", "it ends in 0123456789abcdef0123...", "it ends in ***..."},
		{"0123456789abcdef0123456789abcdef", "abcdef0123456789abcdef is its end", "*** is its end"},
	}
	for _, tt := range tests {
		var m Masker
		m.Add([]byte(tt.value))
		if got := m.Text(tt.text); got != tt.want {
			t.Errorf("of %q, %q: %q, want %q", tt.value, tt.text, got, tt.want)
		}
	}
}

// TestOrdinaryText: a short value, or one that is a word, takes no other text with it.
func TestOrdinaryText(t *testing.T) {
	t.Parallel()
	tests := []struct{ value, text, want string }{
		{"a", "a pod is a group", "a pod is a group"},
		{"", "nothing", "nothing"},
		{"\n", "a\nb", "a\nb"},
		{"web", "web: port 8080", "web: port 8080"},
		{"8080", "web: port 8080", "web: port 8080"},
		{"true", "runAsNonRoot is true", "runAsNonRoot is true"},
		{"pass", "the probe passes; the password passed; pass!", "the probe passes; the password passed; ***!"},
		{"s3cr", "s3cret s3cr", "s3cret ***"},
		{"readiness", "readinessProbe: readiness", "readinessProbe: ***"},
		{"123456", "code 123456, not 1234567", "code ***, not 1234567"},
	}
	for _, tt := range tests {
		var m Masker
		m.Add([]byte(tt.value))
		if got := m.Text(tt.text); got != tt.want {
			t.Errorf("of %q, %q: %q, want %q", tt.value, tt.text, got, tt.want)
		}
	}
	var m Masker
	m.Public("postgres", "a-long-value-that-is-secret")
	m.Add([]byte("postgres"), []byte("a-long-value-that-is-secret"))
	if got, want := m.Text("postgres: a-long-value-that-is-secret"), "postgres: ***"; got != want {
		t.Errorf("what is public: %q, want %q", got, want)
	}
}

// TestOverlap: of two values that overlap, nothing is left.
func TestOverlap(t *testing.T) {
	t.Parallel()
	var m Masker
	m.Add([]byte("abcdefgh1"), []byte("fgh1ijklmn"))
	if got := m.Text("<abcdefgh1ijklmn>"); got != "<***>" {
		t.Error(got)
	}
	if got := (*Masker)(nil).Text("x"); got != "x" {
		t.Error(got)
	}
}

func FuzzText(f *testing.F) {
	f.Add("hunter2hunter2", `a \"\\u00`, "%4")
	f.Fuzz(func(t *testing.T, value, before, after string) {
		var m Masker
		m.Add([]byte(value))
		got := m.Text(before + value + after)
		if v := strings.TrimSpace(value); len(v) >= wordUpTo && !strings.Contains(Stars, v) && strings.Contains(strings.ReplaceAll(got, Stars, ""), v) && !strings.Contains(before+after, v[:1]) {
			t.Errorf("%q in %q", v, got)
		}
	})
}
