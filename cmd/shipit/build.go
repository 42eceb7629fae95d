package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/shipit-dev/shipit/internal/deploy"
	"github.com/shipit-dev/shipit/registry"
	"github.com/shipit-dev/shipit/schema"
)

func newBuildCommand(s streams) *cobra.Command {
	var project projectFlags
	var sandbox string
	var verify bool
	cmd := &cobra.Command{
		Use:   "build [SERVICE...]",
		Short: "Build and push images, and print their digests",
		Long: `Build and push the images of a project, or of some of its services. Prints one
line for each, "SERVICE REFERENCE", with the digest.

An image whose inputs are those of one in the registry is not built again: it is
found by the tag shipit-HASH, and whoever may push to the repository may put
another one there. With --verify, everything is built, and an image in the registry
that is not the same is an error.`,
		ValidArgsFunction: completeArgs(many, s.services),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx := cmd.Context()
			app, err := project.open(ctx, s, "")
			if err != nil {
				return err
			}
			opts := deploy.ImageOptions{Cache: imageCache(), Verify: verify}
			if sandbox != "" {
				t, err := sandboxTarget(ctx, s, sandbox, true)
				if err != nil {
					return err
				}
				app.Registry, opts.Logins = project.registryFor(app, t), t.logins
			}
			services, err := deploy.Services(app, args)
			if err != nil {
				return err
			}
			images, err := images(ctx, s, app, services, opts)
			if err != nil {
				return err
			}
			for _, img := range images {
				printTo(s.out, cell, "%s %s\n", img.Container, img.Ref)
			}
			return nil
		},
	}
	project.add(cmd)
	cmd.Flags().BoolVar(&verify, "verify", false, "build what is in the registry already, too, and compare")
	addSandbox(cmd, &sandbox, "push to the registry of this sandbox, starting it when needed")
	return cmd
}

// registryFor is where app's images go when it is deployed to t: what --registry
// says, else a sandbox's own registry, else the app's.
func (f *projectFlags) registryFor(app *schema.App, t *target) string {
	switch {
	case f.registry != "":
		return f.registry
	case t.registry != "":
		return t.registry + "/" + app.Name
	}
	return app.Registry
}

// images makes every service's image and says so on the way.
func images(ctx context.Context, s streams, app *schema.App, services []*schema.Service, opts deploy.ImageOptions) ([]deploy.Image, error) {
	s = s.columns(app)
	opts.Warn = func(text string) { s.warn("%s", text) }
	opts.Step = func(container string, step registry.Step) {
		text := step.Doing
		if step.Took > 0 {
			text += "  " + short(step.Took)
		}
		s.step("image", container, text)
	}
	return deploy.Images(ctx, app, services, opts, func(img deploy.Image) {
		how := "pinned"
		switch {
		case img.Built && img.Pushed:
			how = "built and pushed, " + registry.Bytes(img.Bytes)
		case img.Built:
			how = "built, already in the registry"
		case img.Build:
			how = "unchanged"
		}
		if img.CrossBuilt {
			how += ", for " + strings.Join(img.Nodes, " and ") + ", as the nodes are"
		}
		s.step("image", img.Container, fmt.Sprintf("%s  %s  %s", shortRef(img.Ref), how, short(img.Took)))
	})
}

// shortRef cuts a digest to what a person compares: 12 digits.
func shortRef(ref string) string {
	name, digest, ok := strings.Cut(ref, "@sha256:")
	if !ok || len(digest) < 12 {
		return ref
	}
	return name + "@sha256:" + digest[:12]
}

// short writes a duration as a person would: 0.3s, 12s, 3m20s, 5h, 3d.
func short(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d < time.Minute:
		return fmt.Sprintf("%.0fs", d.Seconds())
	case d < time.Hour:
		return d.Round(time.Second).String()
	case d < 48*time.Hour:
		return fmt.Sprintf("%.0fh", d.Hours())
	}
	return fmt.Sprintf("%.0fd", d.Hours()/24)
}
