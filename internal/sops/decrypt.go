package sops

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha512"
	"crypto/subtle"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Decrypt gives the values of the file, which lies at path for the sops program
// to find. All of them are decrypted, since the file's own message authentication
// code is over all of them.
//
// Errors: *NoKeyError, *NeedsProgramError, *ProgramError, *ChangedError,
// *InClearError, and those of ctx.
func (f *File) Decrypt(ctx context.Context, path string, keys *Keys) (*Values, error) {
	for _, l := range f.values {
		if f.rules.encrypted(l.names()) && !sealed(l.value) {
			return nil, &InClearError{File: f.name, Key: l.key()}
		}
	}
	if len(f.meta.groups) != 1 || f.rules.byComment {
		return f.byProgram(ctx, path, nil)
	}
	key, err := f.dataKey(ctx, keys)
	var none *NoKeyError
	if errors.As(err, &none) {
		return f.byProgram(ctx, path, none)
	}
	if err != nil {
		return nil, err
	}
	return f.open(key)
}

// macOnlyEncrypted starts a MAC over encrypted values only, so that it never is
// one over all: the SHA-256 of "sops".
var macOnlyEncrypted = []byte{
	0x8a, 0x3f, 0xd2, 0xad, 0x54, 0xce, 0x66, 0x52, 0x7b, 0x10, 0x34, 0xf3, 0xd1, 0x47, 0xbe, 0x0b,
	0x0b, 0x97, 0x5b, 0x3b, 0xf4, 0x4f, 0x72, 0xc6, 0xfd, 0xad, 0xec, 0x81, 0x76, 0xf2, 0x7d, 0x69,
}

// open decrypts every value with the file's key, and checks that nothing was
// added, removed, moved or changed.
func (f *File) open(key []byte) (*Values, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, &FormatError{File: f.name, Format: "sops", Err: errors.New("its key has not the length of one")}
	}
	mac := sha512.New()
	if f.rules.macEncrypted {
		mac.Write(macOnlyEncrypted)
	}
	values := &Values{file: f, texts: make([][]byte, len(f.values))}
	for i, l := range f.values {
		if l.value == nil {
			continue
		}
		names := l.names()
		encrypted := f.rules.encrypted(names)
		p := plainOf(l.value)
		if encrypted {
			sealed, _ := l.value.(string) // else it is in clear, which was looked at
			if p, err = unseal(block, sealed, strings.Join(names, ":")+":"); err != nil {
				return nil, &ChangedError{File: f.name, Key: l.key()}
			}
		}
		if p.kind == "comment" {
			continue
		}
		if encrypted || !f.rules.macEncrypted {
			mac.Write(p.bytes)
		}
		values.texts[i] = p.text()
	}
	want, err := unseal(block, f.meta.mac, f.meta.modified)
	if err != nil || subtle.ConstantTimeCompare(want.bytes, []byte(strings.ToUpper(hex.EncodeToString(mac.Sum(nil))))) != 1 {
		return nil, &ChangedError{File: f.name}
	}
	return values, nil
}

// plain is a value as it was before it was encrypted.
type plain struct {
	bytes []byte // what the MAC is over
	kind  string // "str", "int", "float", "bool", "bytes", "time", "comment"
}

// text is the value as a Secret holds it.
func (p plain) text() []byte {
	if p.kind == "bool" {
		return []byte(strings.ToLower(string(p.bytes)))
	}
	// A value that is empty is not none.
	return append([]byte{}, p.bytes...)
}

// plainOf is a value that was not encrypted.
func plainOf(value any) plain {
	switch v := value.(type) {
	case string:
		return plain{[]byte(v), "str"}
	case int:
		return plain{strconv.AppendInt(nil, int64(v), 10), "int"}
	case float64:
		return plain{strconv.AppendFloat(nil, v, 'f', -1, 64), "float"}
	case bool:
		return plain{boolean(v), "bool"}
	case time.Time:
		text, err := v.MarshalText()
		if err == nil {
			return plain{text, "time"}
		}
	}
	return plain{nil, "unknown"}
}

// boolean is written as sops does, which once was a Python program.
func boolean(v bool) []byte {
	if v {
		return []byte("True")
	}
	return []byte("False")
}

var sealedForm = regexp.MustCompile(`^ENC\[AES256_GCM,data:(.+),iv:(.+),tag:(.+),type:(.+)\]`)

var errSealed = errors.New("not decrypted")

// unseal decrypts one value, which is bound to where it is. What is empty is not
// encrypted.
func unseal(block cipher.Block, sealed, at string) (plain, error) {
	if sealed == "" {
		return plain{kind: "str"}, nil
	}
	m := sealedForm.FindStringSubmatch(sealed)
	if m == nil {
		return plain{}, errSealed
	}
	var parts [3][]byte // data, nonce, tag
	for i := range parts {
		var err error
		if parts[i], err = base64.StdEncoding.DecodeString(m[i+1]); err != nil {
			return plain{}, errSealed
		}
	}
	if len(parts[1]) == 0 {
		return plain{}, errSealed
	}
	gcm, err := cipher.NewGCMWithNonceSize(block, len(parts[1]))
	if err != nil {
		return plain{}, errSealed
	}
	text, err := gcm.Open(nil, parts[1], append(parts[0], parts[2]...), []byte(at))
	if err != nil {
		return plain{}, errSealed
	}
	return typed(text, m[4])
}

// typed reads a decrypted value as what it was, and writes it in the one way that
// the MAC is over.
func typed(text []byte, kind string) (plain, error) {
	switch s := string(text); kind {
	case "str", "bytes", "comment":
		return plain{text, kind}, nil
	case "int":
		v, err := strconv.Atoi(s)
		return plain{strconv.AppendInt(nil, int64(v), 10), kind}, err
	case "float":
		v, err := strconv.ParseFloat(s, 64)
		return plain{strconv.AppendFloat(nil, v, 'f', -1, 64), kind}, err
	case "bool":
		v, err := strconv.ParseBool(s)
		return plain{boolean(v), kind}, err
	case "time":
		var v time.Time
		if err := v.UnmarshalText(text); err != nil {
			return plain{}, err
		}
		text, err := v.MarshalText()
		return plain{text, kind}, err
	}
	return plain{}, errSealed
}
