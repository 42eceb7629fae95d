package apply

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/shipit-dev/shipit/internal/nearest"
)

// RolloutError says that units did not become healthy.
type RolloutError struct {
	Outcome   Outcome // RolledBack, Removed or Failed
	Diagnoses []*Diagnosis
	Err       error // why returning failed too, or nil
}

func (e *RolloutError) Error() string {
	parts := make([]string, 0, len(e.Diagnoses)+1)
	for _, d := range e.Diagnoses {
		parts = append(parts, d.String())
	}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	if len(parts) == 0 {
		return "rollout " + string(e.Outcome)
	}
	return strings.Join(parts, "; ")
}

func (e *RolloutError) Unwrap() error { return e.Err }

// UnreachableError says that no API server answered at Host, or that it was not asked
// for a *PluginError.
type UnreachableError struct {
	Host string
	Err  error
}

func (e *UnreachableError) Error() string {
	var plugin *PluginError
	if errors.As(e.Err, &plugin) {
		return plugin.Error()
	}
	return fmt.Sprintf("no Kubernetes API server answers at %s: %v", e.Host, e.Err)
}
func (e *UnreachableError) Unwrap() error { return e.Err }

// UnauthorizedError says that the API server does not accept the credentials.
type UnauthorizedError struct {
	Host string
	Err  error
}

func (e *UnauthorizedError) Error() string {
	return fmt.Sprintf("the API server at %s does not accept the credentials", e.Host)
}
func (e *UnauthorizedError) Unwrap() error { return e.Err }

// ForbiddenError says that RBAC denies a request.
type ForbiddenError struct {
	User                            string // as the API server knows the caller
	Verb, Resource, Namespace, Name string
	Err                             error
}

func (e *ForbiddenError) Error() string {
	s := fmt.Sprintf("not allowed to %s %s", e.Verb, e.Resource)
	if e.User != "" {
		s = fmt.Sprintf("%s is %s", e.User, s)
	}
	if e.Name != "" {
		s += fmt.Sprintf(" %q", e.Name)
	}
	if e.Namespace != "" {
		s += " in namespace " + e.Namespace
	}
	return s
}
func (e *ForbiddenError) Unwrap() error { return e.Err }

// ConflictError says that another field manager owns Field of Object with
// another value.
type ConflictError struct {
	Object  Ref
	Field   string // as server-side apply writes it: .spec.replicas
	Value   any    // what it has there, nil when not known
	Manager string
	Time    time.Time // when Manager last wrote; zero when not known
	Others  int       // conflicts on the same object beside this one
	Added   bool      // Field is an element of a list that Manager put beside ours, or in its place
}

func (e *ConflictError) Error() string {
	s := fmt.Sprintf("%s: %s is owned by %s", e.Object, e.Field, e.Manager)
	if e.Added {
		s = fmt.Sprintf("%s: %s was added by %s", e.Object, e.Field, e.Manager)
	}
	switch e.Value.(type) {
	case string, bool, int64, float64:
		s += fmt.Sprintf(" and is %v", e.Value)
	}
	if !e.Time.IsZero() {
		s += ", which last wrote at " + e.Time.UTC().Format(time.RFC3339)
	}
	if e.Others > 0 {
		s += fmt.Sprintf(" (and %d more fields)", e.Others)
	}
	return s
}

// Hint tells how two managers agree.
func (e *ConflictError) Hint() string {
	if e.Added {
		return "remove it there, or write it in the CUE, or have it removed with --force-conflicts"
	}
	if e.Field == replicasField {
		return fmt.Sprintf("write replicas: %v, or autoscale, or take the count back with --force-conflicts", e.Value)
	}
	return "write the same value, or drop the field, or take it back with --force-conflicts"
}

// NotOursError says that an object exists that shipit did not make for this app.
type NotOursError struct {
	Object  Ref
	Manager string // who manages it: a field manager, or "" when not known
	App     string // the app its labels claim, when that is another one
	// Labelled is of one that has all labels of this app: its managedFields may have
	// been lost.
	Labelled bool
}

func (e *NotOursError) Error() string {
	s := fmt.Sprintf("%s in namespace %s exists and is not managed by this app", e.Object, e.Object.Namespace)
	switch {
	case e.App != "":
		s += fmt.Sprintf(": it belongs to app %s", e.App)
	case e.Manager != "":
		s += fmt.Sprintf(": its field manager is %s", e.Manager)
	}
	return s
}

// Hint says how an object that lost its managedFields is taken again.
func (e *NotOursError) Hint() string {
	if !e.Labelled || e.Object.Namespace == "" {
		return ""
	}
	return "it has this app's labels: if it is the app's, as after a restore from a backup, say so and deploy again: " + kubectl("patch", e.Object) + ` --type=merge -p '{"metadata":{"managedFields":[{}]}}'`
}

// InvalidError says that the API server does not accept Object: a value, or an
// immutable field.
type InvalidError struct {
	Object    Ref
	Field     string // "" when the server names none
	Immutable bool
	Empty     bool // it is a claim that was never bound, and holds nothing
	Err       error
}

func (e *InvalidError) Error() string {
	if e.Immutable {
		return fmt.Sprintf("%s: %s cannot be changed once it is there", e.Object, e.Field)
	}
	return fmt.Sprintf("%s: %v", e.Object, e.Err)
}

// Hint tells the way around a field that cannot be changed.
func (e *InvalidError) Hint() string {
	if !e.Immutable {
		return e.takenPort()
	}
	remove := kubectl("delete", e.Object)
	switch e.Object.Kind {
	case "CustomResourceDefinition":
		return "give it another name: with this one, all objects of its kind would be deleted, in every namespace"
	case "StatefulSet", "Deployment", "DaemonSet":
		if e.Field != "spec.selector" {
			hint := "delete it without its pods and its claims, which its successor takes over, and deploy again: " + remove + " --cascade=orphan"
			if e.Field == "spec.volumeClaimTemplates" {
				hint += "; the claims that are there stay as they are: to let one grow, kubectl -n " + e.Object.Namespace + " edit persistentvolumeclaim"
			}
			return hint
		}
	case "PersistentVolumeClaim":
		if e.Empty {
			return "it was never bound, so nothing is in it: delete it, and deploy again: " + remove
		}
		return "give the volume another name, and move what is in it; or delete it with what is in it, and deploy again: " + remove
	}
	return "give it another name, or delete it and deploy again, with nothing there in between: " + remove
}
func (e *InvalidError) Unwrap() error { return e.Err }

// DeniedError says that admission refuses Object: a policy, a webhook, or a rule
// of the API server's own.
type DeniedError struct {
	Object Ref
	Reason string // in its own words
	Err    error
}

func (e *DeniedError) Error() string { return fmt.Sprintf("%s: %s", e.Object, e.Reason) }

// Hint tells what to do when a policy or a webhook of the cluster's refused it.
func (e *DeniedError) Hint() string  { return deniedHint(e.Reason, e.Object) }
func (e *DeniedError) Unwrap() error { return e.Err }

// SilentAPIError says that the server which is to answer for a group of the
// cluster's APIs does not: what there is of Kind can neither be seen nor written.
type SilentAPIError struct {
	Group string // with its version
	Kind  string
	Err   error
}

func (e *SilentAPIError) Error() string {
	return fmt.Sprintf("the cluster's API %s does not answer, and this app has, or had, objects of its kind %s: %v", e.Group, e.Kind, e.Err)
}

// Hint tells where its cause is told.
func (e *SilentAPIError) Hint() string {
	group, version, _ := strings.Cut(e.Group, "/")
	return fmt.Sprintf("`kubectl get apiservice %s.%s -o yaml` says in its conditions why; do it again when it answers", version, group)
}
func (e *SilentAPIError) Unwrap() error { return e.Err }

// LockedError says that another deploy of the same unit is running.
type LockedError struct {
	Unit     string    `json:"service"`
	Holder   string    `json:"by"` // user@host
	DeployID string    `json:"deployId"`
	Since    time.Time `json:"at"`
}

func (e *LockedError) Error() string {
	return fmt.Sprintf("%s is being deployed by %s since %s (deploy %s)", e.Unit, e.Holder, e.Since.UTC().Format(time.RFC3339), e.DeployID)
}

// LockLostError says that this deploy could not renew its lock in time and
// stopped writing.
type LockLostError struct{ Err error }

func (e *LockLostError) Error() string {
	return fmt.Sprintf("the lock could not be renewed in time: %v", e.Err)
}
func (e *LockLostError) Unwrap() error { return e.Err }

// NewerFormatError says that the state in the cluster was written by a newer
// shipit.
type NewerFormatError struct {
	Object    Ref
	Version   int    // of the state
	Known     int    // the newest that this program reads
	WrittenBy string // the shipit that wrote it; "" when it did not say
}

func (e *NewerFormatError) Error() string {
	s := fmt.Sprintf("%s has format version %d; this shipit reads up to %d", e.Object, e.Version, e.Known)
	if e.WrittenBy != "" {
		s += fmt.Sprintf(": install shipit %s or later", e.WrittenBy)
	}
	return s
}

// DamagedStateError says that a record is gone, cut off or not readable. Without
// the index nothing is done; without the intent of a release there is no way
// back to that release.
type DamagedStateError struct {
	Object Ref
	Index  bool // it is the index
	Err    error
}

func (e *DamagedStateError) Error() string {
	return fmt.Sprintf("release state %s in namespace %s cannot be read: %v", e.Object, e.Object.Namespace, e.Err)
}
func (e *DamagedStateError) Unwrap() error { return e.Err }

// Hint tells the way out.
func (e *DamagedStateError) Hint() string {
	if e.Index {
		return fmt.Sprintf("restore it from a backup, or delete it (kubectl delete secret -n %s %s) and deploy again: what runs stays, and its history begins anew", e.Object.Namespace, e.Object.Name)
	}
	return "the releases that it records cannot be returned to; deploy a new one, or return to another"
}

// KeyChangedError says that the Secrets were named under another key than the
// app's: somebody else made one meanwhile. Nothing was changed; who renders again
// gets the right names.
type KeyChangedError struct{ App string }

func (e *KeyChangedError) Error() string {
	return fmt.Sprintf("the key under which the secrets of %s are named changed meanwhile", e.App)
}

// GoneError says that a release needs an object that is no longer there and that
// its record cannot bring back.
type GoneError struct{ Object Ref }

func (e *GoneError) Error() string {
	return fmt.Sprintf("%s is gone, and a release record keeps no secret values", e.Object)
}

// LostHistoryError says that it is not recorded what a unit was before, though it
// was there.
type LostHistoryError struct{ Unit string }

func (e *LostHistoryError) Error() string {
	return fmt.Sprintf("%s was there before, and no release of it is recorded", e.Unit)
}

// NoReleaseError says that a unit has no release to return to.
type NoReleaseError struct {
	Unit     string
	Release  int    // the one asked for; 0 when the previous healthy one was
	DeployID string // the deploy asked for, whose release it was
}

func (e *NoReleaseError) Error() string {
	if e.DeployID != "" {
		return fmt.Sprintf("%s has no release of deploy %s to return to", e.Unit, e.DeployID)
	}
	if e.Release == 0 {
		return fmt.Sprintf("%s has no healthy release before its current one", e.Unit)
	}
	return fmt.Sprintf("%s has no release %d to return to", e.Unit, e.Release)
}

// RemovedError says that a rollback of all cannot bring back units that were removed.
// Nothing was changed.
type RemovedError struct {
	Units    []string
	By       string   // the last deploy, which removed them
	DeployID string   // the deploy asked for, which had them; "" when none was
	Others   []string // units that could return without them
}

func (e *RemovedError) Error() string {
	names := strings.Join(e.Units, ", ")
	if e.DeployID != "" {
		return fmt.Sprintf("deploy %s had %s, removed since, and a rollback brings nothing back that was removed", e.DeployID, names)
	}
	return fmt.Sprintf("the last deploy (%s) removed %s, and a rollback brings nothing back that was removed", e.By, names)
}

// Hint says how to have them back, and how to do without.
func (e *RemovedError) Hint() string {
	hint := "deploy the version of the project that has " + strings.Join(e.Units, ", ")
	if len(e.Others) > 0 && e.DeployID == "" {
		hint += "; to return the others alone: shipit rollback " + strings.Join(e.Others, " ")
	}
	if len(e.Others) > 0 && e.DeployID != "" {
		hint += "; to return others alone, name them: shipit rollback --deploy " + e.DeployID + " " + e.Others[0]
	}
	return hint
}

// NoDeployError says that no deploy of that name is recorded.
type NoDeployError struct{ DeployID string }

func (e *NoDeployError) Error() string {
	return fmt.Sprintf("there is no record of a deploy %s", e.DeployID)
}

// UnknownUnitError says that a name is no unit of this app.
type UnknownUnitError struct {
	Unit  string
	Known []string
}

func (e *UnknownUnitError) Error() string {
	return fmt.Sprintf("no service %q (there are: %s)", e.Unit, strings.Join(e.Known, ", "))
}

// Hint names the one that was probably meant.
func (e *UnknownUnitError) Hint() string {
	if near := nearest.Name(e.Unit, e.Known); near != "" {
		return "did you mean " + near + "?"
	}
	return ""
}

// NothingDeployedError says that there is no release of an app in a namespace.
type NothingDeployedError struct{ App, Namespace string }

func (e *NothingDeployedError) Error() string {
	return fmt.Sprintf("nothing of %s is deployed in namespace %s", e.App, e.Namespace)
}

// TerminatingError says that the namespace is being deleted.
type TerminatingError struct{ Namespace string }

func (e *TerminatingError) Error() string {
	return fmt.Sprintf("namespace %s is being deleted", e.Namespace)
}

// Hint tells what to do about it.
func (e *TerminatingError) Hint() string {
	return "wait until it is gone, then deploy again; if it does not go, `kubectl get namespace " + e.Namespace + " -o yaml` says in its conditions what keeps it"
}
