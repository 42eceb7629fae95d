package apply

import (
	"context"
	"time"
)

// Deploy moves units to new releases and waits until they are healthy, or puts
// them back. See Outcome for how it may end. The error is nil exactly when the
// outcome is Unchanged or Deployed; the Result is never nil. sink may be nil; it
// is called on the caller's goroutine.
func (c *Client) Deploy(ctx context.Context, req Request, sink func(Event)) (*Result, error) {
	panic("soon")
}

// Rollback moves units back to a release of their history.
func (c *Client) Rollback(ctx context.Context, req RollbackRequest, sink func(Event)) (*Result, error) {
	panic("soon")
}

// Delete removes units, and waits until their pods are gone.
func (c *Client) Delete(ctx context.Context, req DeleteRequest, sink func(Event)) (*Result, error) {
	panic("soon")
}

// AppStatus is what is there, unit by unit in order of name.
type AppStatus struct {
	App, Namespace string
	Units          []UnitStatus
}

// UnitStatus is one unit as the cluster has it now.
type UnitStatus struct {
	Name      string
	Source    string
	State     State
	Release   int // 0 when it has none
	Healthy   int // its last healthy release
	DeployID  string
	Deployed  time.Time
	By        string
	Pods      Pods
	Images    []string   // references that the pods of the current template run
	Ready     bool       // rolled out, and probes pass
	Diagnosis *Diagnosis // what is wrong, nil when Ready
	Lock      *LockedError
}

// State is what the index says of a unit.
type State string

const (
	StateDeploying State = "deploying" // a deploy runs, or was killed
	StateDeployed  State = "deployed"
	StateFailed    State = "failed"
	StateRemoved   State = "removed"
)

// Status reads the state and the workloads; it writes nothing.
func (c *Client) Status(ctx context.Context) (*AppStatus, error) { panic("soon") }

// Release is one entry of a unit's history.
type Release struct {
	Number   int
	Current  bool
	Outcome  Outcome // Deployed, RolledBack, Removed, Failed or Interrupted
	DeployID string
	By       string
	At       time.Time
	Images   []string
	Cause    string // of a failure: code and message
}

// History returns a unit's releases, newest first.
func (c *Client) History(ctx context.Context, unit string) ([]Release, error) { panic("soon") }
