package render

import (
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"slices"
	"time"

	"github.com/shipit-dev/shipit/schema"
)

// defaultRefresh is how often the values of an ExternalSecret are fetched.
const defaultRefresh = time.Hour

// externalSecrets are what the External Secrets Operator makes Secrets of
// (https://external-secrets.io/latest/api/externalsecret): one for each secret
// with keys of its stores. Each is named by what it fetches, so that a change
// rolls the pods; what the store then gives under a key may change without.
func (s *service) externalSecrets() []any {
	s.externalNames = map[string]string{}
	var objects []any
	for _, secret := range s.Secrets {
		spec := externalSpec(secret)
		if spec == nil {
			continue
		}
		h := s.hash(sha256.New(), "external", secret.Name)
		text, _ := json.Marshal(spec) // strings, in maps and lists
		write(h, string(text))
		name := s.hashed(secret.Name, h)
		spec["target"] = map[string]any{"name": name, "creationPolicy": "Owner", "deletionPolicy": "Retain"}
		s.externalNames[secret.Name] = name
		objects = append(objects, s.custom("external-secrets.io/v1", "ExternalSecret", name, nil, spec))
	}
	return objects
}

// externalSpec is nil without keys of a store. The operator's defaults within
// data, which is owned whole, are written out.
func externalSpec(secret schema.Secret) map[string]any {
	var data []any
	var store map[string]any
	refresh := time.Duration(0)
	for _, k := range sorted(secret.Keys, func(k schema.SecretKey) string { return k.Key }) {
		if k.External == nil {
			continue
		}
		from := map[string]any{"name": k.External.Store, "kind": cmp.Or(k.External.StoreKind, "SecretStore")}
		remote := map[string]any{
			"key": k.External.Key, "conversionStrategy": "Default", "decodingStrategy": "None", "metadataPolicy": "None",
		}
		if k.External.Property != "" {
			remote["property"] = k.External.Property
		}
		item := map[string]any{"secretKey": k.Key, "remoteRef": remote}
		if store == nil {
			store = from
		} else if store["name"] != from["name"] || store["kind"] != from["kind"] {
			item["sourceRef"] = map[string]any{"storeRef": from}
		}
		data = append(data, item)
		every, err := time.ParseDuration(k.External.Refresh)
		if err != nil {
			every = defaultRefresh
		}
		if refresh == 0 || every < refresh {
			refresh = every
		}
	}
	if data == nil {
		return nil
	}
	return map[string]any{"refreshInterval": refresh.String(), "secretStoreRef": store, "data": data}
}

// secretObjects are the Secrets that a secret's values are in, without those that
// exist elsewhere.
func (s *service) secretObjects(secret string) []string {
	return slices.DeleteFunc([]string{s.secretNames[secret], s.externalNames[secret]}, func(name string) bool { return name == "" })
}
