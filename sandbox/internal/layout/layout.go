// Package layout says where a sandbox keeps its files: data that outlives a restart under Home, sockets and other things of
// the moment under Run. It makes no file.
package layout

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"regexp"
)

// Layout is the place of one sandbox on this machine.
type Layout struct {
	// Name is what the user calls it.
	Name string
	// ID is derived from Home: it marks everything of this sandbox that has no place in a file system (processes, cgroups).
	ID string
	// Base holds all sandboxes of this user.
	Base string
	// Home holds data, configuration, certificates and logs.
	Home string
	// Run holds sockets and process records. It is short, because the path of a Unix socket may have 107 bytes only.
	Run string
}

// Roots are the folders of the user, as found in the environment.
type Roots struct {
	SandboxHome string // $SHIPIT_SANDBOX_HOME
	StateHome   string // $XDG_STATE_HOME
	Home        string // $HOME
	RuntimeDir  string // $XDG_RUNTIME_DIR
	UID         int
}

var validName = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,38}[a-z0-9])?$`)

// Resolve returns the layout of the sandbox called name.
func Resolve(name string, roots Roots) (Layout, error) {
	if !validName.MatchString(name) {
		return Layout{}, fmt.Errorf("%q is not a sandbox name: use up to 40 lowercase letters, digits and dashes", name)
	}
	base, err := roots.base()
	if err != nil {
		return Layout{}, err
	}
	home := filepath.Join(base, name)
	sum := sha256.Sum256([]byte(home))
	id := hex.EncodeToString(sum[:6])
	return Layout{Name: name, ID: id, Base: base, Home: home, Run: filepath.Join(roots.run(), id)}, nil
}

// base resolves symbolic links, so that one sandbox has one ID however its folder is spelt.
func (r Roots) base() (string, error) {
	dir := r.SandboxHome
	if dir == "" {
		state := r.StateHome
		if state == "" {
			if r.Home == "" {
				return "", fmt.Errorf("no place for the sandbox: neither SHIPIT_SANDBOX_HOME nor HOME is set")
			}
			state = filepath.Join(r.Home, ".local", "state")
		}
		dir = filepath.Join(state, "shipit", "sandbox")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return resolveExisting(dir), nil
}

func resolveExisting(dir string) string {
	if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		return resolved
	}
	parent := filepath.Dir(dir)
	if parent == dir {
		return dir
	}
	return filepath.Join(resolveExisting(parent), filepath.Base(dir))
}

func (r Roots) run() string {
	switch {
	case r.UID == 0:
		return "/run/shipit-sandbox"
	case r.RuntimeDir != "":
		return filepath.Join(r.RuntimeDir, "shipit-sandbox")
	default:
		return fmt.Sprintf("/tmp/shipit-sandbox-%d", r.UID)
	}
}

// Lock is the file that serialises commands on this sandbox. It lies beside Home, so that removing Home cannot remove it.
func (l Layout) Lock() string { return filepath.Join(l.Base, "."+l.Name+".lock") }

// Settings records the choices of the first start, such as ports.
func (l Layout) Settings() string { return filepath.Join(l.Home, "sandbox.json") }

// PKI holds keys and certificates.
func (l Layout) PKI() string { return filepath.Join(l.Home, "pki") }

// Config holds the files the components read; it is written anew by every start.
func (l Layout) Config(name string) string { return filepath.Join(l.Home, "config", name) }

// Data is the data folder of one component.
func (l Layout) Data(component string) string { return filepath.Join(l.Home, "data", component) }

// Log is the log file of one component.
func (l Layout) Log(component string) string { return filepath.Join(l.Home, "logs", component+".log") }

// Socket is a Unix socket's path.
func (l Layout) Socket(name string) string { return filepath.Join(l.Run, name+".sock") }

// PID is the file that records the process of a component.
func (l Layout) PID(component string) string { return filepath.Join(l.Run, component+".pid") }
