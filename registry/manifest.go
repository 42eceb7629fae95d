package registry

import (
	"encoding/json"
	"fmt"
	"mime"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// manifest is what is read of a manifest or an index
// (https://github.com/opencontainers/image-spec/blob/main/manifest.md).
type manifest struct {
	SchemaVersion int             `json:"schemaVersion"`
	MediaType     types.MediaType `json:"mediaType"`
	Config        *v1.Descriptor  `json:"config"`
	Layers        []v1.Descriptor `json:"layers"`
	Manifests     []v1.Descriptor `json:"manifests"`
}

// isManifest reports whether a media type is of a manifest or an index.
func isManifest(t types.MediaType) bool { return t.IsImage() || t.IsIndex() }

// readManifest reads what a registry gives for ref, which must be a manifest or an
// index by its content, and of the type that the registry says it is of.
func readManifest(ref name.Reference, got *remote.Descriptor) (manifest, error) {
	var m manifest
	said, _, err := mime.ParseMediaType(string(got.MediaType))
	if err != nil {
		said = string(got.MediaType)
	}
	wrong := func(format string, args ...any) (manifest, error) {
		return m, &AnswerError{Registry: registryName(ref.Context()), Reason: fmt.Sprintf("it answers for %s with ", referenceName(ref)) + fmt.Sprintf(format, args...)}
	}
	of := types.MediaType(said)
	switch err := json.Unmarshal(got.Manifest, &m); {
	case len(got.Manifest) > maxConfig:
		return wrong("more than %d MB", maxConfig>>20)
	case err != nil:
		return wrong("%s, which is not a manifest", orNothing(said))
	case m.SchemaVersion != 2, (m.Config == nil) == (m.Manifests == nil):
		return wrong("JSON that is neither a manifest nor an index of images")
	case m.MediaType != "" && isManifest(of) && m.MediaType != of:
		return wrong("a manifest of type %s that it says is of type %s", truncate(string(m.MediaType), 100), said)
	case m.Manifests != nil && of.IsImage(), m.Config != nil && of.IsIndex():
		return wrong("something else than the %s that it says it is", said)
	}
	return m, nil
}

func orNothing(mediaType string) string {
	if mediaType == "" {
		return "something without a type"
	}
	return truncate(mediaType, 100)
}
