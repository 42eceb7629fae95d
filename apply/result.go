package apply

import (
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Unit is what moves from release to release as one: a service and its objects,
// or AppUnit.
type Unit struct {
	Name     string
	Needs    []string      // units that must be healthy before this one is applied
	Deadline time.Duration // to become healthy; 0 is computed from the probes
	Calls    []Call        // services that the request does not have, which must be there
	// Objects are what the unit is made of. A workload that one of them names as its
	// spec.scaleTargetRef is created with its spec.replicas; after that the count
	// belongs to whoever scales it. A Job with the annotation shipit.dev/phase is no
	// part of what runs: "before" runs to its end before the workload changes, and
	// "after" once it is healthy, in the order of Objects, and once under one name
	// unless shipit.dev/run is "everyDeploy". Its pods have the label
	// shipit.dev/task-of with the unit's name, and no app.kubernetes.io/name.
	Objects []*unstructured.Unstructured
}

// AppUnit is the unit of what belongs to no service (a quota). Its objects do not
// have the label app.kubernetes.io/name, and every service needs it.
const AppUnit = "_app"

// Request says what to deploy.
type Request struct {
	// Units are the objects wanted, by service. Objects are not mutated.
	Units []Unit
	// Only names the units to move. Empty moves them all, and removes the units
	// of the same Owner.Source that Units no longer has.
	Only []string
	// TakeOver takes units that another Owner.Source deployed until now. Without it
	// that is a SourceError.
	TakeOver bool
	// MissingCalls deploys units that call what is not there: it is warned of. Of
	// two apps that call each other, one has to be the first.
	MissingCalls bool
	// Timeout replaces the deadline that is computed from the probes; 0 keeps it.
	Timeout time.Duration
	// Force takes the fields that other managers own. Without it that is a
	// ConflictError, before anything is written.
	Force bool
	// NoRollback leaves a failed deploy as it is.
	NoRollback bool
	// DeployID names the deploy: a DNS label that no deploy of the app had before.
	// Empty makes one.
	DeployID string
	// SecretsKey is what Client.SecretsKey gave, if the names of Secrets were made
	// under it. The first write keeps it; a KeyChangedError says that the app has
	// another one.
	SecretsKey []byte
	// Protected names the environment, if it is a protected one: see
	// Client.Protected.
	Protected string
	// TTL is how long what the Owner's Source deploys stays, from this deploy on: then
	// Expired lists it. 0 is for good.
	TTL time.Duration
	// LockWait is how long to wait for another deploy of the same units; 0
	// refuses as soon as the holder is known to be alive (up to 5 s).
	LockWait time.Duration
	// Abort, when closed, stops even the way back: the outcome is Interrupted.
	// The end of the call's context only stops going forward.
	Abort <-chan struct{}
}

// RollbackRequest says what to return.
type RollbackRequest struct {
	// Units empty: those that the newest deploy moved; with To or DeployID every unit
	// of the Owner's Source, or all when it has none.
	Units    []string
	To       int    // a release number; 0 is the healthy release before the current one
	DeployID string // instead of To: the releases that this deploy gave its units; Units may pick some
	Force    bool   // take the fields that other managers own
	Timeout  time.Duration
	LockWait time.Duration
	Abort    <-chan struct{}
}

// DeleteRequest says what to remove.
type DeleteRequest struct {
	Units    []string      // empty: all of the Owner's Source, or everything when it has none; with the last unit go the state and, if shipit made it and it is empty, the namespace
	Timeout  time.Duration // for the objects to be gone; default 2 minutes
	LockWait time.Duration
	Abort    <-chan struct{}
	Expired  bool // only if its time is over (Expired): otherwise it is Unchanged
	Claims   bool // delete the claims too, and with them the data
}

// Result is how a call ended. It is complete even on failure.
type Result struct {
	DeployID    string // "" when nothing was recorded
	Outcome     Outcome
	Interrupted bool   // the caller's context ended before the deploy did
	Finishes    string // of a rollback: the one that was stopped half-way and that it went on with, or ""
	Units       []UnitResult
	Expires     time.Time // when what was deployed is over; zero is never, or not known
	Took        time.Duration
}

// Diagnoses returns what went wrong, unit by unit.
func (r *Result) Diagnoses() []*Diagnosis {
	var ds []*Diagnosis
	for i := range r.Units {
		if d := r.Units[i].Diagnosis; d != nil {
			ds = append(ds, d)
		}
	}
	return ds
}

// UnitResult is how one unit ended.
type UnitResult struct {
	Name     string
	Outcome  Outcome
	Release  int // the release the unit is at now; 0 when it has none
	Tried    int // the release this call wanted
	Previous int // the release it was at before; 0 when it had none
	Pods     Pods
	Images   []string // references of the containers at Release
	Objects  []ObjectResult
	Took     time.Duration // until healthy
	// Diagnosis is why the unit did not become healthy, nil if it did.
	Diagnosis *Diagnosis
}

// Action is what is done to an object.
type Action string

const (
	ActionCreate    Action = "create"
	ActionUpdate    Action = "update"
	ActionReplace   Action = "replace" // deleted and created: what is to change cannot be changed
	ActionUnchanged Action = "unchanged"
	ActionDelete    Action = "delete"
	// ActionRestore puts back what a failed deploy had changed.
	ActionRestore Action = "restore"
)

// writes reports whether the object is applied.
func (a Action) writes() bool { return a == ActionCreate || a == ActionUpdate || a == ActionReplace }

// ObjectResult is what was done to one object.
type ObjectResult struct {
	Object Ref
	Action Action
	Done   bool     // Action was carried out; false when the call ended before
	Fields []string // of an update: the changed fields, as server-side apply writes them: .spec.replicas
	Err    error
}

func compareRefs(a, b Ref) int {
	if c := strings.Compare(a.Kind, b.Kind); c != 0 {
		return c
	}
	if c := strings.Compare(a.Namespace, b.Namespace); c != 0 {
		return c
	}
	return strings.Compare(a.Name, b.Name)
}
