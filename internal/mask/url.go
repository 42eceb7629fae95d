package mask

import (
	"net/url"
	"regexp"
	"strings"
)

// userOf finds who a URL says one is. It need not be one that can be parsed.
var userOf = regexp.MustCompile(`^(\w+://)?([^/?#]*)@`)

// WithoutUser is an address as it is shown.
func WithoutUser(address string) string { return userOf.ReplaceAllString(address, "$1") }

// AddURL makes known what an address has to authenticate with.
func (m *Masker) AddURL(address string) {
	user := userOf.FindStringSubmatch(address)
	if user == nil {
		return
	}
	name, password, both := strings.Cut(user[2], ":")
	if !both {
		password = name // a token
	}
	m.Add([]byte(password))
	if decoded, err := url.PathUnescape(password); err == nil {
		m.Add([]byte(decoded))
	}
}
