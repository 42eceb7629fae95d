package sops

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The metadata of a file is in its value called sops. Formats without nesting have
// it flat: age__list_0__map_recipient. Here it is flat for all of them.
const (
	metadataName   = "sops"
	metadataPrefix = "sops_"
	mapSeparator   = "__map_"
	listSeparator  = "__list_"
)

// flatMetadata are the metadata by their flat names.
type flatMetadata map[string]string

// split parts the values of a file from its metadata, which is nil when it has
// none.
func (f format) split(all []leaf) (values []leaf, flat flatMetadata) {
	for _, l := range all {
		name, ours := f.metadataName(l.path)
		if !ours {
			values = append(values, l)
			continue
		}
		if flat == nil {
			flat = flatMetadata{}
		}
		text := textOf(l.value)
		if f == formatINI {
			text = strings.ReplaceAll(text, `\n`, "\n")
		}
		flat[name] = text
	}
	return values, flat
}

// metadataName gives the flat name of a value of the metadata, and whether it is
// one.
func (f format) metadataName(path []step) (string, bool) {
	if f == formatDotenv {
		return strings.CutPrefix(path[0].name, metadataPrefix)
	}
	if len(path) < 2 || path[0].name != metadataName {
		return "", false
	}
	name := path[1].name
	for _, s := range path[2:] {
		if s.list {
			name += listSeparator + strconv.Itoa(s.index)
		} else {
			name += mapSeparator + s.name
		}
	}
	return name, true
}

func textOf(value any) string {
	switch v := value.(type) {
	case nil:
		return ""
	case string:
		return v
	case time.Time:
		return v.Format(time.RFC3339)
	}
	return fmt.Sprint(value)
}

// metadata says how a file is encrypted.
type metadata struct {
	modified string // RFC 3339: what the MAC is bound to
	mac      string // encrypted
	groups   [][]recipient
}

// recipient is one who can find out the key of a file, or of a group's part of it.
type recipient struct {
	service string // as in services
	name    string // whatever the service calls it
	enc     string // the key, encrypted
}

// services are the key services, by their names in the metadata, with the fields
// that tell a key.
var services = []struct {
	name, said string
	fields     []string
}{
	{"age", "age", []string{"recipient"}},
	{"pgp", "PGP", []string{"fp"}},
	{"kms", "AWS KMS", []string{"arn"}},
	{"gcp_kms", "GCP KMS", []string{"resource_id"}},
	{"azure_kv", "Azure Key Vault", []string{"vault_url", "name"}},
	{"hc_vault", "HashiCorp Vault", []string{"vault_address", "engine_path", "key_name"}},
	{"hckms", "Huawei Cloud KMS", []string{"key_id"}},
}

func newMetadata(flat flatMetadata) (metadata, error) {
	m := metadata{mac: flat["mac"], modified: flat["lastmodified"]}
	if t, err := time.Parse(time.RFC3339, m.modified); err == nil {
		m.modified = t.Format(time.RFC3339)
	} else if m.modified != "" {
		return m, errors.New("lastmodified is no time")
	}
	if group := flat.group(""); len(group) > 0 {
		m.groups = append(m.groups, group)
		return m, nil
	}
	for i := 0; ; i++ {
		group := flat.group("key_groups" + listSeparator + strconv.Itoa(i) + mapSeparator)
		if len(group) == 0 {
			return m, nil
		}
		m.groups = append(m.groups, group)
	}
}

// group gives the recipients whose flat names begin with prefix, those for age
// first, as sops tries them.
func (flat flatMetadata) group(prefix string) []recipient {
	var group []recipient
	for _, s := range services {
		for i := 0; ; i++ {
			at := prefix + s.name + listSeparator + strconv.Itoa(i) + mapSeparator
			var names []string
			for _, field := range s.fields {
				if name := flat[at+field]; name != "" {
					names = append(names, name)
				}
			}
			if len(names) == 0 {
				break
			}
			group = append(group, recipient{service: s.said, name: strings.Join(names, " "), enc: flat[at+"enc"]})
		}
	}
	return group
}

// native reports whether the key can be had here: age's own recipients, but no
// plugins and no SSH keys.
func (r recipient) native() bool {
	return strings.HasPrefix(r.name, "age1") && (strings.Count(r.name, "1") == 1 || strings.HasPrefix(r.name, "age1pq1"))
}

// rules say which values of a file are encrypted, by the names that lead to them.
type rules struct {
	unless, only []func(name string) bool
	byComment    bool // they go by comments, which are not read here
	macEncrypted bool // the MAC is over the encrypted values only
}

func newRules(flat flatMetadata) (rules, error) {
	r := rules{
		byComment:    flat["encrypted_comment_regex"] != "" || flat["unencrypted_comment_regex"] != "",
		macEncrypted: slices.Contains([]string{"true", "True", "1"}, flat["mac_only_encrypted"]),
	}
	suffix := func(s string) func(string) bool {
		return func(name string) bool { return strings.HasSuffix(name, s) }
	}
	if s := flat["unencrypted_suffix"]; s != "" {
		r.unless = append(r.unless, suffix(s))
	}
	if s := flat["encrypted_suffix"]; s != "" {
		r.only = append(r.only, suffix(s))
	}
	for _, p := range []struct {
		name string
		to   *[]func(string) bool
	}{{"unencrypted_regex", &r.unless}, {"encrypted_regex", &r.only}} {
		if flat[p.name] == "" {
			continue
		}
		pattern, err := regexp.Compile(flat[p.name])
		if err != nil {
			return r, fmt.Errorf("%s is no regular expression", p.name)
		}
		*p.to = append(*p.to, pattern.MatchString)
	}
	n := len(r.unless) + len(r.only)
	if n > 1 {
		return r, errors.New("it has more than one rule of what is encrypted")
	}
	if n == 0 && !r.byComment {
		r.unless = append(r.unless, suffix("_unencrypted"))
	}
	return r, nil
}

// encrypted reports whether the value that names lead to is encrypted. Where
// comments decide, it is not known, and no value is taken for one in clear.
func (r rules) encrypted(names []string) bool {
	if r.byComment {
		return false
	}
	for _, says := range r.only {
		return slices.ContainsFunc(names, says)
	}
	for _, says := range r.unless {
		return !slices.ContainsFunc(names, says)
	}
	return true
}
