package apply

import "time"

// EventKind says what an Event is about.
type EventKind string

const (
	// EventNamespace: a missing namespace was created (Message is its name).
	EventNamespace EventKind = "namespace"
	// EventLockWait: another deploy holds a unit (Message names the holder).
	EventLockWait EventKind = "lock-wait"
	// EventTakeover: the lock of a dead deploy was taken over (Message names it).
	EventTakeover EventKind = "takeover"
	// EventFinish: Unit is on its way to Release by a rollback that was stopped
	// half-way (Message names it), and this one goes on with it.
	EventFinish EventKind = "finish"
	// EventPlan: what will be done to Object (Action), once per object; of an
	// update, Fields are the ones it changes.
	EventPlan EventKind = "plan"
	// EventApplied: Action was done to Object.
	EventApplied EventKind = "applied"
	// EventWaiting: waiting for Unit begins, for at most Deadline.
	EventWaiting EventKind = "waiting"
	// EventProgress: the pod counts of Unit changed (Pods, Message), or they did not
	// for a while: then Diagnosis is what keeps it, which may pass still.
	EventProgress EventKind = "progress"
	// EventHealthy: Unit is rolled out and its probes pass.
	EventHealthy EventKind = "healthy"
	// EventFailed: Unit will not become healthy (Diagnosis).
	EventFailed EventKind = "failed"
	// EventInterrupted: the caller's context ended; what follows is the way back.
	EventInterrupted EventKind = "interrupted"
	// EventRollback: Unit goes back to Release, or is removed when that is 0.
	EventRollback EventKind = "rollback"
	// EventDisconnected and EventReconnected: the API server stopped answering
	// (Err), and answers again. A wait goes on meanwhile.
	EventDisconnected EventKind = "disconnected"
	EventReconnected  EventKind = "reconnected"
	// EventWarning: the API server attached a warning (Message), something that
	// does not change the outcome went wrong (Message, and Err is its reason), or pods
	// may not run (Diagnosis).
	EventWarning EventKind = "warning"
)

// Event is one step of progress. The fields that a Kind does not mention are
// zero.
type Event struct {
	Kind      EventKind
	Unit      string
	Object    *Ref
	Action    Action
	Fields    []string
	Release   int
	Pods      Pods
	Deadline  time.Duration
	Elapsed   time.Duration // since the call began
	Message   string
	Diagnosis *Diagnosis
	Err       error
}
