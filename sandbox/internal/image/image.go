// Package image makes a container image of one static program and puts it into a registry, by the OCI distribution API. It
// is for images that must exist before any tool does: a pod's pause image, and the programs of tests. Same program, same digest.
package image

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
)

// Image is a program with the settings it is started with.
type Image struct {
	Arch    string // Go's name of the architecture
	Program []byte // a static Linux executable; becomes /program
	User    string // "uid:gid"; "" is root
}

const (
	manifestType = "application/vnd.oci.image.manifest.v1+json"
	configType   = "application/vnd.oci.image.config.v1+json"
	layerType    = "application/vnd.oci.image.layer.v1.tar+gzip"
)

type descriptor struct {
	MediaType string `json:"mediaType"`
	Digest    string `json:"digest"`
	Size      int    `json:"size"`
}

// Registry is where images are pushed to over plain HTTP.
type Registry struct {
	Client         *http.Client
	Host           string // host:port
	User, Password string
}

// Push puts the image into a repository under a tag, unless that tag is there, and returns the manifest's digest.
func (r Registry) Push(ctx context.Context, repository, tag string, img Image) (string, error) {
	layer, diffID, err := img.layer()
	if err != nil {
		return "", err
	}
	config, err := img.config(diffID)
	if err != nil {
		return "", err
	}
	manifest, err := json.Marshal(map[string]any{
		"schemaVersion": 2,
		"mediaType":     manifestType,
		"config":        descriptor{MediaType: configType, Digest: digest(config), Size: len(config)},
		"layers":        []descriptor{{MediaType: layerType, Digest: digest(layer), Size: len(layer)}},
	})
	if err != nil {
		return "", err
	}
	if found, err := r.exists(ctx, repository, "manifests/"+digest(manifest)); err != nil || found {
		return digest(manifest), err
	}
	for _, blob := range [][]byte{layer, config} {
		if err := r.pushBlob(ctx, repository, blob); err != nil {
			return "", err
		}
	}
	return digest(manifest), r.send(ctx, http.MethodPut, r.url(repository, "manifests/"+tag), manifestType, manifest, http.StatusCreated)
}

func (img Image) layer() (layer []byte, diffID string, err error) {
	var archive, compressed bytes.Buffer
	w := tar.NewWriter(&archive)
	header := &tar.Header{Typeflag: tar.TypeReg, Name: "program", Mode: 0o755, Size: int64(len(img.Program))}
	if err := w.WriteHeader(header); err != nil {
		return nil, "", err
	}
	if _, err := w.Write(img.Program); err != nil {
		return nil, "", err
	}
	if err := w.Close(); err != nil {
		return nil, "", err
	}
	zip, err := gzip.NewWriterLevel(&compressed, gzip.BestSpeed)
	if err != nil {
		return nil, "", err
	}
	if _, err := zip.Write(archive.Bytes()); err != nil {
		return nil, "", err
	}
	if err := zip.Close(); err != nil {
		return nil, "", err
	}
	return compressed.Bytes(), digest(archive.Bytes()), nil
}

func (img Image) config(diffID string) ([]byte, error) {
	return json.Marshal(map[string]any{
		"architecture": img.Arch,
		"os":           "linux",
		"config":       map[string]any{"Entrypoint": []string{"/program"}, "User": img.User, "WorkingDir": "/"},
		"rootfs":       map[string]any{"type": "layers", "diff_ids": []string{diffID}},
	})
}

func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func (r Registry) url(repository, path string) string {
	return "http://" + r.Host + "/v2/" + repository + "/" + path
}

func (r Registry) exists(ctx context.Context, repository, path string) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, r.url(repository, path), nil)
	if err != nil {
		return false, err
	}
	req.Header.Set("Accept", manifestType)
	req.SetBasicAuth(r.User, r.Password)
	resp, err := r.Client.Do(req)
	if err != nil {
		return false, err
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK, nil
}

// pushBlob uploads in one piece: POST for a place, PUT the content there (distribution-spec, "Pushing a blob monolithically").
func (r Registry) pushBlob(ctx context.Context, repository string, blob []byte) error {
	if found, err := r.exists(ctx, repository, "blobs/"+digest(blob)); err != nil || found {
		return err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, r.url(repository, "blobs/uploads/"), nil)
	if err != nil {
		return err
	}
	req.SetBasicAuth(r.User, r.Password)
	resp, err := r.Client.Do(req)
	if err != nil {
		return err
	}
	resp.Body.Close()
	place, err := resp.Location()
	if err != nil {
		return fmt.Errorf("registry %s gave no place to upload to: %s", r.Host, resp.Status)
	}
	place.RawQuery += "&" + url.Values{"digest": {digest(blob)}}.Encode()
	return r.send(ctx, http.MethodPut, place.String(), "application/octet-stream", blob, http.StatusCreated)
}

func (r Registry) send(ctx context.Context, method, address, contentType string, body []byte, want int) error {
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", contentType)
	req.SetBasicAuth(r.User, r.Password)
	resp, err := r.Client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != want {
		detail, _ := io.ReadAll(io.LimitReader(resp.Body, 1024))
		return fmt.Errorf("%s %s: %s: %s", method, address, resp.Status, detail)
	}
	return nil
}
