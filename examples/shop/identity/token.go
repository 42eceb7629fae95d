package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"strings"
	"time"
)

const tokenLife = 12 * time.Hour

// sign makes a token: the name, when it expires in Unix seconds, and the HMAC of
// the two, so that nobody without the key can make or change one.
func sign(key []byte, name string, expires time.Time) string {
	claim := name + "." + strconv.FormatInt(expires.Unix(), 10)
	return claim + "." + mac(key, claim)
}

// verify gives the name in a token, if it was signed with key and is not too old.
func verify(key []byte, token string, now time.Time) (name string, ok bool) {
	end := strings.LastIndexByte(token, '.')
	if end < 0 || !hmac.Equal([]byte(mac(key, token[:end])), []byte(token[end+1:])) {
		return "", false
	}
	name, until, _ := strings.Cut(token[:end], ".")
	expires, err := strconv.ParseInt(until, 10, 64)
	return name, err == nil && now.Unix() < expires
}

func mac(key []byte, claim string) string {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(claim))
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
