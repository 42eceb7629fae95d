package apply

import (
	"bytes"
	"context"
	"crypto/rand"
)

// secretsKeySize is that of HMAC-SHA256's output (RFC 2104, section 3).
const secretsKeySize = 32

// SecretsKey returns the key under which the names of the app's Secrets are
// made, so that a name allows no guess at a value: the app's own, or a new one
// when it has none. Nothing is written: Request.SecretsKey does that.
func (c *Client) SecretsKey(ctx context.Context) ([]byte, error) {
	snap, err := store{c}.read(quiet(ctx))
	if err != nil {
		return nil, err
	}
	if len(snap.SecretsKey) > 0 {
		return snap.SecretsKey, nil
	}
	key := make([]byte, secretsKeySize)
	_, _ = rand.Read(key) // never fails (crypto/rand)
	return key, nil
}

// suits returns a KeyChangedError unless the targets' Secrets are named under the
// app's key, or it has none yet.
func (m *mover) suits(ix *index) error {
	if m.secretsKey != nil && ix.SecretsKey != nil && !bytes.Equal(m.secretsKey, ix.SecretsKey) {
		return &KeyChangedError{App: m.c.owner.App}
	}
	return nil
}
