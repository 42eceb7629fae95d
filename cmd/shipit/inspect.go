package main

import (
	"os"
	"path/filepath"

	"github.com/shipit-dev/shipit/internal/deploy"
	"github.com/shipit-dev/shipit/schema"
)

// imageCache is the folder that keeps what images say of themselves.
func imageCache() string {
	folder, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(folder, "shipit", "images")
}

// inspected prints what images say that does not go with how they are to run. What
// could never start is an error.
func (s streams) inspected(app *schema.App, services []*schema.Service, images []deploy.Image) error {
	for _, img := range images {
		if img.Unread != nil {
			s.note("%s: not checked whether its image can run as it should: %v", img.Container, img.Unread)
		}
	}
	severe, mild := deploy.Severe(deploy.CheckImages(app, services, images))
	s.warnings(mild)
	if len(severe) > 0 {
		return severe
	}
	return nil
}
