package apply

// Outcome is how a deploy, a rollback or a deletion ended. There is no other
// way for one to end. docs/deploy.md draws how each is come to.
type Outcome string

const (
	// Unchanged: the cluster already was as asked, and healthy. Nothing was
	// written.
	Unchanged Outcome = "unchanged"
	// Deployed: every unit is at its wanted release and healthy.
	Deployed Outcome = "deployed"
	// RolledBack: a unit did not become healthy, or the caller ended, and every
	// unit that was begun is back at its last healthy release, and healthy.
	RolledBack Outcome = "rolled-back"
	// Removed: the objects are gone, claims excepted, and those that only their
	// finalizers keep, which is warned of. Of a deploy: only first
	// releases were begun, and one did not become healthy. Of Delete: as asked.
	Removed Outcome = "removed"
	// Failed: a unit is not healthy and was left so, on request or because
	// returning failed too; or a unit that was to go was not removed. The results say
	// object by object what is there.
	Failed Outcome = "failed"
	// Refused: nothing was changed. Of one unit of a deploy: its turn did not come.
	Refused Outcome = "refused"
	// Interrupted: stopped half-way. The next deploy sees that, and supersedes this
	// one, keeping the old healthy release.
	Interrupted Outcome = "interrupted"
)

// Outcomes lists them all.
func Outcomes() []Outcome {
	return []Outcome{Unchanged, Deployed, RolledBack, Removed, Failed, Refused, Interrupted}
}

// Done reports whether o is what was asked for.
func (o Outcome) Done() bool { return o == Unchanged || o == Deployed }
