package deploy

import (
	"github.com/shipit-dev/shipit/schema"
	"github.com/shipit-dev/shipit/schema/rule"
)

// imageConfig is the code of what an image says of itself that does not go with
// how it is to run.
const imageConfig schema.Code = "image"

// The rules about images. Their names are stable: people silence findings by them.
const (
	imageNoCommand  = "image-no-command"
	imageNotFound   = "image-not-found"
	imagePlatform   = "image-platform"
	imagePort       = "image-port"
	imageRunsAsRoot = "image-runs-as-root"
	imageUserByName = "image-user-by-name"
	imageWrites     = "image-writes-to-root"
)

// Rules lists the rules of this package. As registries and clusters have to be
// asked, they are looked at by a deploy, before it changes anything, and by validate
// when it is told to.
func Rules() []rule.Rule {
	return append([]rule.Rule{
		{
			Name: imageNoCommand, Severity: rule.Error, Silenceable: true,
			Summary:     "An image does not say what to run",
			Explanation: "An image that has neither an entrypoint nor a command only runs with the command that its service gives it.",
			Example:     "command: [\"/app/server\"]",
		},
		{
			Name: imageNotFound, Severity: rule.Error, Silenceable: true,
			Summary:     "The registry of an image does not have it",
			Explanation: "A deploy would end before it changes anything. An image that somebody pushes later can be silenced.",
		},
		{
			Name: imagePlatform, Severity: rule.Error, Silenceable: true,
			Summary:     "An image is not made for the nodes that it may run on",
			Explanation: "A program is made for an architecture, such as amd64 or arm64, and an image may hold it for several. When only some of the nodes are of one that the image lacks, this is a warning. What is built from source is for the machine that builds, or, when no node is like it, for the nodes.",
			Example:     "placement: nodes: \"kubernetes.io/arch\": \"arm64\"",
		},
		{
			Name: imagePort, Severity: rule.Warning, Silenceable: true,
			Summary:     "An image says that it listens on other ports than its service does",
			Explanation: "The ports that an image exposes are what its author says it listens on. A service that gives it no command, no environment and no files does not change that.",
			Example:     "ports: http: 80",
		},
		{
			Name: imageRunsAsRoot, Severity: rule.Error, Silenceable: true,
			Summary:     "An image runs as root, and its container may not",
			Explanation: "What breaks out of a container that runs as root has the node. Containers are therefore run with runAsNonRoot, and Kubernetes does not start one whose image names no user, or root. Many images run as any user that they are told to; those that listen on port 80 or write next to their programs often have a variant that does not.",
			Example:     "security: runAsUser: 65532",
		},
		{
			Name: imageUserByName, Severity: rule.Error, Silenceable: true,
			Summary:     "An image names its user, and has no number for it",
			Explanation: "Kubernetes starts what may not be root only when it knows the user's number not to be 0. Names are known inside the image alone. The security of the service, or the USER of the image, can say the number.",
			Example:     "security: runAsUser: 101",
		},
		{
			Name: imageWrites, Severity: rule.Warning, Silenceable: true,
			Summary:     "An image writes to a folder where nothing is mounted",
			Explanation: "The root file system of containers is read-only, so that what breaks in cannot change the program; only /tmp can be written to. Images declare the folders that they keep data in as volumes, and some are known to write elsewhere. An emptyDir is enough for caches; data needs a size.",
			Example:     "volumes: cache: {mount: \"/var/cache/nginx\", emptyDir: {}}",
		},
	}, clusterRules()...)
}
