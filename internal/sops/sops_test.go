package sops

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// withKeys looks for keys in one file of testdata and nowhere else.
func withKeys(file string) *Keys {
	return environment(map[string]string{keyFileVariable: filepath.Join("testdata", file)})
}

func environment(vars map[string]string) *Keys {
	return NewKeys(func(name string) (string, bool) {
		value, ok := vars[name]
		return value, ok
	})
}

func read(t *testing.T, file string) string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", file))
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

func decrypt(t *testing.T, name, text string, keys *Keys) (*Values, error) {
	t.Helper()
	f, err := Parse(name, []byte(text))
	if err != nil {
		return nil, err
	}
	return f.Decrypt(t.Context(), filepath.Join("testdata", name), keys)
}

// The files were made by the sops program, version 3.13.3 unless their names say another.
func TestDecrypt(t *testing.T) {
	for _, test := range []struct {
		file, keys string
		want       map[string]string
	}{
		{"all.yaml", "keys.txt", map[string]string{
			"db.password": "hunter2", "db.user": "app", "db.port": "5432", "db.ratio": "1.5", "db.big": "12345678901",
			"db.tls": "true", "db.plain": "false", "db.empty": "", "db.since": "2024-01-02T03:04:05Z", "db.day": "2024-01-02T00:00:00Z",
			"db.lines": "one\ntwo\n", "db.dotted.name": "dots", "db.note_unencrypted": "readable",
			"hosts.0": "a.example.com", "hosts.1.name": "b", "hosts.1.tokens.0": "x", "hosts.1.tokens.2": "2.5", "hosts.1.tokens.3": "false",
			"anchored.x": "1", "again.x": "1", "second": "document",
		}},
		{"all.yaml", "other.txt", map[string]string{"db.password": "hunter2"}},
		{"all.json", "keys.txt", map[string]string{
			"db.password": "hunter2", "db.port": "5432", "db.ratio": "1.5", "db.tls": "true", "db.large": "9007199254740993",
			"db.unicode": "😀 \"quoted\"", "hosts.0": "a", "hosts.1.b.1": "2", "note_unencrypted": "7",
		}},
		{"all.env", "keys.txt", map[string]string{
			"PASSWORD": "hunter2", "EMPTY": "", "LINES": "one\ntwo", "QUOTED": `"kept"`, "NOTE_unencrypted": "readable", "URL": "a=b",
		}},
		{"all.ini", "keys.txt", map[string]string{"DEFAULT.bare": "1", "db.password": "hunter2", "db.note_unencrypted": `"quoted`, "other section.key": "value"}},
		// What sops wrote before it put keys on one line.
		{"all-3.13.0.ini", "keys.txt", map[string]string{
			"DEFAULT.bare": "1", "db.password": "hunter2", "db.note_unencrypted": "readable", "db.lines_unencrypted": "one\n  two = 2\n", "other section.key": "value",
		}},
		{"whole.bin", "keys.txt", map[string]string{"": "\x00\x01binary\xff\nhunter2"}},
		{"whole.json", "keys.txt", map[string]string{"": "\x00\x01binary\xff\nhunter2", "data": "\x00\x01binary\xff\nhunter2"}},
		{"pq.yaml", "pq.txt", map[string]string{"password": "hunter2"}},
		{"suffix.yaml", "keys.txt", map[string]string{"password": "hunter2", "user": "app"}},
		{"unsuffix.yaml", "keys.txt", map[string]string{"password": "hunter2", "user": "app"}},
		{"regex.yaml", "keys.txt", map[string]string{"password": "hunter2", "user": "app", "host": "db"}},
		{"unregex.yaml", "keys.txt", map[string]string{"password": "hunter2", "host": "db"}},
	} {
		t.Run(test.file, func(t *testing.T) {
			t.Parallel()
			values, err := decrypt(t, test.file, read(t, test.file), withKeys(test.keys))
			if err != nil {
				t.Fatal(err)
			}
			for key, want := range test.want {
				if err := values.file.Check(key); err != nil {
					t.Errorf("Check(%q): %v", key, err)
				}
				got, err := values.Get(key)
				if err != nil || string(got) != want {
					t.Errorf("Get(%q) = %q, %v; want %q", key, got, err, want)
				}
			}
		})
	}
}

// What is wrong with a file is told without any of its values.
func TestErrors(t *testing.T) {
	change := func(old, with string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, old) {
				t.Fatalf("no %q to replace", old)
			}
			return strings.Replace(s, old, with, 1)
		}
	}
	for name, test := range map[string]struct {
		file   string
		change func(string) string
		keys   *Keys
		want   string
	}{
		"not encrypted":      {"all.yaml", func(string) string { return "password: hunter2\n" }, nil, `the file "all.yaml" is not encrypted: it has no sops metadata`},
		"sops is no map":     {"all.yaml", func(string) string { return "password: hunter2\nsops: yes\n" }, nil, "not encrypted"},
		"no yaml":            {"all.yaml", func(string) string { return "a: 'hunter2\nb: hunter2" }, nil, `the file "all.yaml" is no yaml: line 2 is not understood`},
		"list":               {"all.yaml", func(string) string { return "- hunter2" }, nil, "it is a list"},
		"no json":            {"all.json", func(string) string { return `{"a": hunter2}` }, nil, `is no json: byte`},
		"short json":         {"all.json", func(s string) string { return s[:len(s)-3] }, nil, "ends too early"},
		"open ini":           {"all-3.13.0.ini", change("\n\"\"\"\nage__list_0__map_recipient", "\nage__list_0__map_recipient"), nil, "begins a value that does not end"},
		"no dotenv":          {"all.env", func(string) string { return "hunter2" }, nil, "line 1 has no ="},
		"plain binary":       {"whole.bin", func(string) string { return "hunter2" }, nil, "not encrypted"},
		"number as name":     {"all.yaml", change("second:", "2:"), nil, "a name is no string"},
		"two rules":          {"suffix.yaml", change("encrypted_suffix: word", "encrypted_suffix: word\n    encrypted_regex: x"), nil, "more than one rule"},
		"pattern":            {"regex.yaml", change("^(pass|us)", "^(hunter2"), nil, "encrypted_regex is no regular expression"},
		"wrong key":          {"other.yaml", nil, withKeys("keys.txt"), `no key opens the file "other.yaml": the one age key found is not one of its recipients`},
		"no key":             {"all.yaml", nil, environment(nil), "no age key was found in SOPS_AGE_KEY, SOPS_AGE_KEY_FILE"},
		"no key file":        {"all.yaml", nil, withKeys("none.txt"), "SOPS_AGE_KEY_FILE: no such file"},
		"no key in file":     {"all.yaml", nil, withKeys("all.env"), "SOPS_AGE_KEY_FILE: line 2 is no age key"},
		"value in clear":     {"all.yaml", change("user: ENC", "user: hunter2 ENC"), withKeys("keys.txt"), `the value "db.user" of the file "all.yaml" is not encrypted`},
		"value changed":      {"all.yaml", change("user: ENC[AES256_GCM,data:", "user: ENC[AES256_GCM,data:AAAA"), withKeys("keys.txt"), `the value "db.user" of the file "all.yaml" cannot be decrypted`},
		"value renamed":      {"all.yaml", change("    user:", "    admin:"), withKeys("keys.txt"), `the value "db.admin" of the file "all.yaml" cannot be decrypted`},
		"value added":        {"all.env", change("EMPTY=\n", "EMPTY=\nMORE_unencrypted=hunter2\n"), withKeys("keys.txt"), `the file "all.env" was changed without sops`},
		"unencrypted change": {"all.yaml", change("readable", "hunter2"), withKeys("keys.txt"), "was changed without sops"},
		"time changed":       {"all.yaml", change(`lastmodified: "20`, `lastmodified: "19`), withKeys("keys.txt"), "was changed without sops"},
		"no time":            {"all.yaml", change(`lastmodified: "20`, `lastmodified: "`), withKeys("keys.txt"), "lastmodified is no time"},
		"no mac":             {"all.env", func(s string) string { return dropLine(s, "sops_mac=") }, withKeys("keys.txt"), "was changed without sops"},
		"groups":             {"groups.yaml", nil, withKeys("keys.txt"), "needs the sops program, which is not in PATH: its key is shared among several groups"},
		"comments":           {"comments.yaml", nil, withKeys("keys.txt"), "needs the sops program, which is not in PATH: what of it is encrypted goes by comments"},
		"other service":      {"all.env", change("sops_age__list_0__map_recipient=age1", "sops_kms__list_0__map_arn=arn:aws:kms:eu-central-1:1:key/2\nsops_unused=age1"), environment(nil), "its keys are in AWS KMS"},
		"ssh":                {"all.env", change("map_recipient=age1", "map_recipient=ssh-ed25519 AAAA"), environment(nil), "its keys are in an SSH key or a plugin of age"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Setenv("PATH", t.TempDir()) // no sops here
			text := read(t, test.file)
			if test.change != nil {
				text = test.change(text)
			}
			if test.keys == nil {
				test.keys = withKeys("keys.txt")
			}
			_, err := decrypt(t, test.file, text, test.keys)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Fatalf("got %v, want %q", err, test.want)
			}
			hinter, ok := err.(interface{ Hint() string })
			if !ok || hinter.Hint() == "" {
				t.Errorf("%T has no hint", err)
			}
			if ok && strings.Contains(err.Error()+hinter.Hint(), "hunter2") {
				t.Errorf("%v shows a value", err)
			}
		})
	}
}

func dropLine(text, prefix string) string {
	var kept []string
	for line := range strings.Lines(text) {
		if !strings.HasPrefix(line, prefix) {
			kept = append(kept, line)
		}
	}
	return strings.Join(kept, "")
}

func TestNames(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ file, key, want, hint string }{
		{"all.yaml", "db.pasword", `the file "all.yaml" has no value "db.pasword"`, `did you mean "db.password"?`},
		{"all.yaml", "hosts", `"hosts" of the file "all.yaml" is not one value`, "name one of them: hosts.0, hosts.1.name"},
		{"all.yaml", "", "no name is given", ""},
		{"all.env", "PASWORD", `has no value "PASWORD"`, `did you mean "PASSWORD"?`},
		{"whole.bin", "password", `has no value "password"`, ""},
	} {
		f, err := Parse(test.file, []byte(read(t, test.file)))
		if err != nil {
			t.Fatal(err)
		}
		var missing *NoValueError
		if err := f.Check(test.key); !errors.As(err, &missing) || !strings.Contains(err.Error(), test.want) || !strings.HasPrefix(missing.Hint(), test.hint) {
			t.Errorf("%s: %q: got %v, %v", test.file, test.key, err, missing)
		}
	}
	f, err := Parse("x.json", []byte(`{"a.b": "ENC[1]", "a": {"b": "ENC[2]"}, "c": null, "d_unencrypted": 1, "e": 2, "sops": {"version": "3"}}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Check("a.b"); err == nil || !strings.Contains(err.Error(), "more than one value") {
		t.Errorf("a.b: %v", err)
	}
	if f.Check("c") != nil || f.Check("d_unencrypted") != nil || !f.InClear("d_unencrypted") || f.InClear("e") {
		t.Error("the file's rules are not kept")
	}
	var clear *InClearError
	if err := f.Check("e"); !errors.As(err, &clear) {
		t.Errorf("e: %v", err)
	}
}

// Keys are found wherever the sops program finds them.
func TestKeys(t *testing.T) {
	home := t.TempDir()
	folder := filepath.Join(home, "sops", "age")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	key := read(t, "keys.txt")
	if err := os.WriteFile(filepath.Join(folder, "keys.txt"), []byte(key), 0o600); err != nil {
		t.Fatal(err)
	}
	last := strings.Fields(key)[len(strings.Fields(key))-1]
	for name, vars := range map[string]map[string]string{
		"variable":         {keyVariable: last},
		"two in variable":  {keyVariable: strings.TrimSpace(read(t, "other.txt")) + " " + last},
		"file":             {keyFileVariable: "testdata/keys.txt"},
		"command":          {keyCmdVariable: `sh -c 'test "$SOPS_AGE_RECIPIENT" && cat "testdata/keys.txt"'`},
		"settings":         {"XDG_CONFIG_HOME": home, "AppData": home},
		"others are wrong": {keyFileVariable: "none", keyCmdVariable: "false", keyVariable: last},
	} {
		values, err := decrypt(t, "all.env", read(t, "all.env"), environment(vars))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if got, err := values.Get("PASSWORD"); string(got) != "hunter2" || err != nil {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	for command, want := range map[string]string{"false": "its command failed", "echo x": "line 1 is no age key", "": "it is empty", "'cat": "its quotes do not end"} {
		_, err := decrypt(t, "all.env", read(t, "all.env"), environment(map[string]string{keyCmdVariable: command}))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", command, err, want)
		}
	}
}

// A stand-in for the sops program, which here shows how it is called and what of
// its words is passed on.
func TestProgram(t *testing.T) {
	bin := t.TempDir()
	t.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	program := func(script string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(bin, "sops"), []byte("#!/bin/sh\n"+script), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	program(`test "$*" = "--decrypt --input-type yaml --output-type json testdata/groups.yaml" && echo '{"password": "hunter2", "none": null, "port": 1, "on": true}'`)
	values, err := decrypt(t, "groups.yaml", read(t, "groups.yaml"), environment(nil))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{"password": "hunter2", "port": "1", "on": "true"} {
		if got, err := values.Get(key); string(got) != want || err != nil {
			t.Errorf("%s: got %q, %v", key, got, err)
		}
	}
	if got, err := values.Get("none"); err == nil {
		t.Errorf("a null is %q", got)
	}
	for script, want := range map[string]string{
		"echo the key arn is denied >&2; exit 128": "sops does not decrypt the file \"groups.yaml\" (exit code 128): the key arn is denied",
		"echo hunter2 >&2; exit 25":                "(exit code 25)",
		"echo hunter2 >&2; exit 51":                "was changed without sops",
		"echo hunter2":                             "what it prints is no JSON",
	} {
		program(script)
		_, err := decrypt(t, "groups.yaml", read(t, "groups.yaml"), environment(nil))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: got %v, want %q", script, err, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	f, err := Parse("groups.yaml", []byte(read(t, "groups.yaml")))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Decrypt(ctx, "x", environment(nil)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// A small file must not become a large one.
func TestBomb(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n")
	for _, i := range []string{"1", "2", "3", "4", "5", "6", "7", "8"} {
		prev := string(i[0] - 1)
		b.WriteString("a" + i + ": &a" + i + " [" + strings.Repeat("*a"+prev+", ", 9) + "*a" + prev + "]\n")
	}
	for name, text := range map[string]string{"aliases.yaml": b.String(), "circle.yaml": "a: &a\n  b: *a\n", "deep.json": strings.Repeat(`{"a":`, 200)} {
		var format *FormatError
		if _, err := Parse(name, []byte(text)); !errors.As(err, &format) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// Whatever a file holds, it is read or refused, and no error shows what is in it.
func FuzzParse(f *testing.F) {
	for _, name := range []string{"all.yaml", "all.json", "all.env", "all.ini", "whole.bin", "regex.yaml", "groups.yaml"} {
		data, err := os.ReadFile(filepath.Join("testdata", name))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(filepath.Ext(name), data)
	}
	f.Fuzz(func(t *testing.T, ext string, data []byte) {
		file, err := Parse("x"+ext, data)
		if err != nil {
			return
		}
		for _, name := range file.Names() {
			_ = file.Check(name)
		}
		if len(file.meta.groups) == 1 && !file.rules.byComment {
			values, err := file.open(make([]byte, 32))
			if err == nil && len(values.texts) != len(file.values) {
				t.Errorf("%d texts of %d values", len(values.texts), len(file.values))
			}
		}
	})
}
