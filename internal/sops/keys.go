package sops

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"filippo.io/age"
	"filippo.io/age/armor"
)

// The variables of the environment that say where age keys are, as sops has them.
const (
	keyVariable     = "SOPS_AGE_KEY"
	keyFileVariable = "SOPS_AGE_KEY_FILE"
	keyCmdVariable  = "SOPS_AGE_KEY_CMD"
	keyFor          = "SOPS_AGE_RECIPIENT" // told to the command
)

// Keys finds the age keys of the user, once, when the first file needs them.
type Keys struct {
	lookup func(string) (string, bool)
	once   sync.Once
	found  []age.Identity
	looked []string // where there are none
	failed []error  // where they could not be read
}

// NewKeys looks for keys where the sops program does: in SOPS_AGE_KEY,
// SOPS_AGE_KEY_FILE, what SOPS_AGE_KEY_CMD prints, and sops/age/keys.txt in the
// user's folder of settings. lookup finds variables of the environment.
func NewKeys(lookup func(string) (string, bool)) *Keys {
	return &Keys{lookup: lookup}
}

// load reads all keys but those that a command prints.
func (k *Keys) load() {
	if text, ok := k.lookup(keyVariable); ok {
		k.read(keyVariable, strings.NewReader(strings.Join(strings.Fields(text), "\n")))
	} else {
		k.looked = append(k.looked, keyVariable)
	}
	if file, ok := k.lookup(keyFileVariable); ok {
		k.readFile(keyFileVariable, file)
	} else {
		k.looked = append(k.looked, keyFileVariable)
	}
	if folder := k.settings(); folder != "" {
		file := filepath.Join(folder, "sops", "age", "keys.txt")
		if _, err := os.Stat(file); errors.Is(err, fs.ErrNotExist) {
			k.looked = append(k.looked, file)
		} else {
			k.readFile(file, file)
		}
	}
}

// settings is the user's folder of settings, "" when it is not known.
func (k *Keys) settings() string {
	get := func(name string) string {
		value, _ := k.lookup(name)
		return value
	}
	switch home := get("HOME"); {
	case runtime.GOOS == "windows":
		return get("AppData")
	case get("XDG_CONFIG_HOME") != "":
		return get("XDG_CONFIG_HOME")
	case home == "":
		return ""
	case runtime.GOOS == "darwin":
		return filepath.Join(home, "Library", "Application Support")
	default:
		return filepath.Join(home, ".config")
	}
}

func (k *Keys) readFile(place, file string) {
	f, err := os.Open(file)
	if err != nil {
		var path *fs.PathError
		if errors.As(err, &path) {
			err = path.Err
		}
		k.failed = append(k.failed, fmt.Errorf("%s: %w", place, err))
		return
	}
	defer f.Close()
	k.read(place, f)
}

func (k *Keys) read(place string, r io.Reader) {
	found, err := identities(r)
	if err != nil {
		k.failed = append(k.failed, fmt.Errorf("%s: %w", place, err))
	}
	if err == nil && len(found) == 0 {
		k.looked = append(k.looked, place)
	}
	k.found = append(k.found, found...)
}

// identities reads age's secret keys, one a line. No error holds one.
func identities(r io.Reader) ([]age.Identity, error) {
	var found []age.Identity
	lines := bufio.NewScanner(io.LimitReader(r, 1<<20))
	for n := 1; lines.Scan(); n++ {
		line := strings.TrimSpace(lines.Text())
		var id age.Identity
		var err error
		switch {
		case line == "" || strings.HasPrefix(line, "#"):
			continue
		case strings.HasPrefix(line, "AGE-PLUGIN-"):
			continue // the sops program knows how
		case strings.HasPrefix(line, "AGE-SECRET-KEY-PQ-1"):
			id, err = age.ParseHybridIdentity(line)
		case strings.HasPrefix(line, "AGE-SECRET-KEY-1"):
			id, err = age.ParseX25519Identity(line)
		case strings.HasPrefix(line, "age-encryption.org/") || strings.HasPrefix(line, "-----BEGIN AGE"):
			return nil, errors.New("is encrypted itself, with a passphrase: decrypt it with age, and give the key in SOPS_AGE_KEY")
		default:
			err = errors.New("unknown")
		}
		if err != nil {
			return nil, fmt.Errorf("line %d is no age key: one starts with AGE-SECRET-KEY-1", n)
		}
		found = append(found, id)
	}
	if lines.Err() != nil {
		return nil, errors.New("has no lines of text")
	}
	return found, nil
}

// dataKey gives the key that the values of a file are encrypted with, by the first
// of its age recipients that there is a key for.
func (f *File) dataKey(ctx context.Context, keys *Keys) ([]byte, error) {
	keys.once.Do(keys.load)
	none := &NoKeyError{File: f.name, Tried: len(keys.found), Looked: keys.looked, Failed: keys.failed}
	command, byCommand := keys.lookup(keyCmdVariable)
	for _, r := range f.meta.groups[0] {
		none.Recipients = append(none.Recipients, r.String())
		if !r.native() {
			continue
		}
		found := keys.found
		if byCommand {
			more, err := keysOf(ctx, command, r.name)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				none.Failed = append(none.Failed, err)
				byCommand = false // it would fail for the others as well
			}
			found = append(found[:len(found):len(found)], more...)
			none.Tried = max(none.Tried, len(found))
		}
		if len(found) == 0 {
			continue
		}
		sealed, err := age.Decrypt(armor.NewReader(strings.NewReader(r.enc)), found...)
		if err != nil {
			continue
		}
		key, err := io.ReadAll(io.LimitReader(sealed, 1<<10))
		if err == nil {
			return key, nil
		}
	}
	return nil, none
}

// String tells a recipient, with its key service when it is not age.
func (r recipient) String() string {
	if r.service == "age" {
		return r.name
	}
	return r.service + " " + r.name
}

// keysOf runs the user's command that prints the keys of a recipient.
func keysOf(ctx context.Context, command, recipient string) ([]age.Identity, error) {
	args, err := words(command)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", keyCmdVariable, err)
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = append(cmd.Environ(), keyFor+"="+recipient)
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("%s: its command failed: %w", keyCmdVariable, err)
	}
	found, err := identities(bytes.NewReader(out))
	if err != nil {
		return nil, fmt.Errorf("%s: what its command prints: %w", keyCmdVariable, err)
	}
	return found, nil
}

// words splits a command as a shell does, without expanding anything.
func words(command string) ([]string, error) {
	var list []string
	var word strings.Builder
	var quote rune
	in, escaped := false, false
	for _, r := range command {
		switch {
		case escaped:
			word.WriteRune(r)
			escaped = false
		case r == '\\' && quote != '\'':
			in, escaped = true, true
		case r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			in, quote = true, r
		case strings.ContainsRune(" \t\n", r):
			if in {
				list = append(list, word.String())
				word.Reset()
			}
			in = false
		default:
			in = true
			word.WriteRune(r)
		}
	}
	if quote != 0 || escaped {
		return nil, errors.New("its quotes do not end")
	}
	if in {
		list = append(list, word.String())
	}
	if len(list) == 0 {
		return nil, errors.New("it is empty")
	}
	return list, nil
}
