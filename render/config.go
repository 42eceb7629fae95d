package render

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"maps"
	"slices"
	"unicode/utf8"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/shipit-dev/shipit/schema"
)

// hashDigits is how much of a hash is in a name: as much as tells the contents
// apart that one object has in the life of its service.
const hashDigits = 10

// config are the ConfigMaps. They are immutable and named by their content: a
// change rolls the pods, an old pod keeps the content it started with, and a
// rollback finds it.
func (s *service) config() ([]any, error) {
	s.configMaps = make(map[string]string, len(s.Config))
	var objects []any
	for _, c := range s.Config {
		h := s.hash(sha256.New(), "config", c.Name)
		object := &corev1.ConfigMap{
			TypeMeta:  metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
			Immutable: ptr.To(true),
		}
		for _, key := range slices.Sorted(maps.Keys(c.Data)) {
			value := c.Data[key]
			write(h, key, value)
			if utf8.ValidString(value) {
				set(&object.Data, key, value)
			} else { // a file may be anything, and data holds text alone
				set(&object.BinaryData, key, []byte(value))
			}
		}
		object.ObjectMeta = s.meta(s.hashed(c.Name, h))
		s.configMaps[c.Name] = object.Name
		objects = append(objects, object)
	}
	return objects, nil
}

// secrets are the Secrets, immutable and named as ConfigMaps are, but by a hash
// that only the holder of the key can make: else whoever sees a name could try
// values until one fits.
func (s *service) secrets() ([]any, error) {
	s.secretNames = make(map[string]string, len(s.Secrets))
	objects := s.externalSecrets()
	for _, secret := range s.Secrets {
		keys := slices.DeleteFunc(slices.Clone(secret.Keys), func(k schema.SecretKey) bool { return k.Existing != nil || k.External != nil })
		if len(keys) == 0 {
			continue
		}
		keys = sorted(keys, func(k schema.SecretKey) string { return k.Key })
		name, data, err := s.secret(secret.Name, keys)
		if err != nil {
			return nil, err
		}
		s.secretNames[secret.Name] = name
		objects = append(objects, &corev1.Secret{
			TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "Secret"},
			ObjectMeta: s.meta(name),
			Type:       corev1.SecretTypeOpaque,
			Immutable:  ptr.To(true),
			Data:       data,
		})
	}
	return objects, nil
}

// secret gives the name and the data of a Secret. Without values there is no
// data, and the name says where the values would come from.
func (s *service) secret(name string, keys []schema.SecretKey) (string, map[string][]byte, error) {
	if s.values == nil {
		h := s.hash(sha256.New(), "secret", name)
		for _, k := range keys {
			write(h, k.Key, "env", k.Env, "file", k.File)
			if k.SOPS != nil {
				write(h, "sops", k.SOPS.File, k.SOPS.Key)
			}
		}
		return s.hashed(name, h), nil, nil
	}
	if len(s.values.Key) == 0 {
		return "", nil, s.wrong("secrets."+name, errors.New("there is no key to make its name with"))
	}
	h := s.hash(hmac.New(sha256.New, s.values.Key), "secret", name)
	data := make(map[string][]byte, len(keys))
	for _, k := range keys {
		value, ok := s.values.Values[s.Name][name][k.Key]
		if !ok {
			return "", nil, s.wrong("secrets."+name+"."+k.Key, errors.New("it was given no value"))
		}
		write(h, k.Key, string(value))
		data[k.Key] = append([]byte{}, value...) // an empty one is a value, not nil
	}
	return s.hashed(name, h), data, nil
}

// hash starts with whose content it is of: names are joined with "-", which they
// may have in them, so a name alone could be that of two objects.
func (s *service) hash(h hash.Hash, kind, name string) hash.Hash {
	write(h, kind, s.Name, name)
	return h
}

func (s *service) hashed(name string, h hash.Hash) string { return hashedName(s.Name+"-"+name, h) }

func hashedName(name string, h hash.Hash) string {
	return name + "-" + hex.EncodeToString(h.Sum(nil))[:hashDigits]
}

// write adds texts with their lengths, so that none can be taken for a part of
// its neighbour.
func write(h hash.Hash, texts ...string) {
	var length [8]byte
	for _, t := range texts {
		binary.BigEndian.PutUint64(length[:], uint64(len(t)))
		_, _ = h.Write(length[:]) // a hash never fails
		_, _ = io.WriteString(h, t)
	}
}

// configMap gives the name of the ConfigMap made of a config.
func (s *service) configMap(config string) (string, error) {
	name, ok := s.configMaps[config]
	if !ok {
		return "", fmt.Errorf("the service has no config %q", config)
	}
	return name, nil
}

// secretOf finds a secret of the service.
func (s *service) secretOf(name string) (schema.Secret, error) {
	i := slices.IndexFunc(s.Secrets, func(c schema.Secret) bool { return c.Name == name })
	if i < 0 {
		return schema.Secret{}, fmt.Errorf("the service has no secret %q", name)
	}
	return s.Secrets[i], nil
}

func set[V any](m *map[string]V, key string, value V) {
	if *m == nil {
		*m = map[string]V{}
	}
	(*m)[key] = value
}
