package nearest_test

import (
	"testing"

	"github.com/shipit-dev/shipit/internal/nearest"
)

func TestName(t *testing.T) {
	fields := []string{"image", "imagePullPolicy", "name", "ports", "env"}
	for name, want := range map[string]string{
		"imagee":          "image",
		"iamge":           "image",
		"Image":           "image",
		"port":            "ports",
		"imagepullpolicy": "imagePullPolicy",
		"replicas":        "",
		"x":               "",
		"":                "",
	} {
		if got := nearest.Name(name, fields); got != want {
			t.Errorf("Name(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestSlip(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{"port": "ports", "prots": "ports", "Image": "image", "ports": "", "web": "", "imgae2": ""} {
		if got := nearest.Slip(name, []string{"image", "ports", "env"}); got != want {
			t.Errorf("Slip(%q) = %q, want %q", name, got, want)
		}
	}
}
