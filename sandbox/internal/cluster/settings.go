package cluster

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
)

// Settings are chosen by the first start and kept, so that a kubeconfig or an image reference stays good.
type Settings struct {
	// Node says that there is a real node, in namespaces of its own.
	Node bool `json:"node"`
	// APIPort and RegistryPort are loopback ports of the host.
	APIPort      int `json:"apiPort"`
	RegistryPort int `json:"registryPort"`
	// RegistryPassword is what the registry takes pushes with.
	RegistryPassword string `json:"registryPassword"`
	// ControllerManagerPort and SchedulerPort serve health; without a node they are loopback ports of the host, too.
	ControllerManagerPort int `json:"controllerManagerPort"`
	SchedulerPort         int `json:"schedulerPort"`
}

func readSettings(path string) (Settings, error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Settings{}, ErrAbsent
	}
	if err != nil {
		return Settings{}, err
	}
	var s Settings
	if err := json.Unmarshal(data, &s); err != nil {
		return Settings{}, fmt.Errorf("reading %s: %w", path, err)
	}
	return s, nil
}

func (s Settings) write(path string) error {
	data, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(path, append(data, '\n'))
}

// newSettings chooses free ports that no other sandbox below base has, unless they are given.
func newSettings(base string, opts UpOptions) (Settings, error) {
	s := Settings{
		Node:    !opts.ControlPlaneOnly,
		APIPort: opts.APIPort, RegistryPort: opts.RegistryPort,
		ControllerManagerPort: 10257, SchedulerPort: 10259,
	}
	pick := picker(base)
	var err error
	choose := func(port *int) {
		if *port == 0 && err == nil {
			*port, err = pick()
		}
	}
	choose(&s.APIPort)
	choose(&s.RegistryPort)
	if !s.Node {
		s.ControllerManagerPort, s.SchedulerPort = 0, 0
		choose(&s.ControllerManagerPort)
		choose(&s.SchedulerPort)
	}
	return s, err
}

// picker returns a source of ports below the range that outgoing connections use by default, so that a port is still free
// at the next start.
func picker(base string) func() (int, error) {
	used := map[int]bool{}
	files, _ := filepath.Glob(filepath.Join(base, "*", "sandbox.json"))
	for _, file := range files {
		if s, err := readSettings(file); err == nil {
			used[s.APIPort], used[s.RegistryPort] = true, true
			used[s.ControllerManagerPort], used[s.SchedulerPort] = true, true
		}
	}
	return func() (int, error) {
		const low, high, tries = 20000, 32000, 100
		for range tries {
			port := low + rand.IntN(high-low)
			if !used[port] && portFree(port) == nil {
				used[port] = true
				return port, nil
			}
		}
		return 0, errors.New("no free port between 20000 and 32000 on 127.0.0.1")
	}
}

func portFree(port int) error { return addressFree(net.JoinHostPort(loopback, strconv.Itoa(port))) }

func addressFree(address string) error {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	return l.Close()
}

// writeFile replaces a file whole, making its folder.
func writeFile(path string, data []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	temp := path + ".new"
	if err := os.WriteFile(temp, data, 0o600); err != nil {
		return err
	}
	return os.Rename(temp, path)
}
