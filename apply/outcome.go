package apply

// Outcome is how a deploy, a rollback or a deletion ended. There is no other
// way for one to end.
type Outcome string

const (
	// Unchanged: the cluster already was as asked, and healthy. Nothing was
	// written.
	Unchanged Outcome = "unchanged"
	// Deployed: every unit is at its wanted release and healthy.
	Deployed Outcome = "deployed"
	// RolledBack: a unit did not become healthy, and every unit that was moved is
	// back at its last healthy release, and healthy.
	RolledBack Outcome = "rolled-back"
	// Removed: the objects are gone. Of a deploy: a first release did not become
	// healthy. Of Delete: as asked.
	Removed Outcome = "removed"
	// Failed: a unit is not healthy and was left so, on request or because
	// returning failed too. The results say object by object what is there.
	Failed Outcome = "failed"
	// Refused: nothing was changed.
	Refused Outcome = "refused"
	// Interrupted: stopped half-way. The next deploy sees the dead lock, and
	// finishes or supersedes this one, keeping the old healthy release.
	Interrupted Outcome = "interrupted"
)

// Done reports whether o is what was asked for.
func (o Outcome) Done() bool { return o == Unchanged || o == Deployed }
