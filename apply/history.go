package apply

import (
	"context"
	"time"
)

// Release is one entry of a unit's history.
type Release struct {
	Number   int
	Current  bool
	Outcome  Outcome // Deployed, RolledBack, Removed, Failed or Interrupted
	DeployID string
	By       string
	At       time.Time
	Images   []string
	Code     Code   // of a failure
	Cause    string // of a failure, in one line
}

// History returns a unit's releases, newest first.
func (c *Client) History(ctx context.Context, unit string) ([]Release, error) {
	snap, err := store{c}.read(quiet(ctx))
	if err != nil {
		return nil, err
	}
	names, err := snap.named([]string{unit})
	if err != nil {
		return nil, err
	}
	u := snap.Units[names[0]]
	var out []Release
	for _, r := range u.Releases {
		e := Release{
			Number: r.Number, Current: r.Number == u.Release, Outcome: r.Outcome, DeployID: r.Deploy,
			By: r.By, At: r.At, Images: r.Images, Code: r.Code, Cause: r.Cause,
		}
		if e.Outcome == "" {
			e.Outcome = Interrupted // killed, or still running
		}
		out = append(out, e)
	}
	return out, nil
}
