package apply

import (
	"context"
	"time"
)

// UnitHistory is what a unit went through.
type UnitHistory struct {
	Name     string    `json:"name"`
	Releases []Release `json:"releases"` // newest first
}

// Release is one entry of a unit's history.
type Release struct {
	Number   int       `json:"number"`
	Current  bool      `json:"current"`
	Outcome  Outcome   `json:"outcome"` // Deployed, RolledBack, Removed, Failed or Interrupted
	DeployID string    `json:"deployId"`
	By       string    `json:"by,omitempty"`
	At       time.Time `json:"at"`
	Images   []string  `json:"images"`
	Code     Code      `json:"code,omitempty"`  // of a failure
	Cause    string    `json:"cause,omitempty"` // of a failure, in one line
}

// History returns the releases of the units named, or of all, in order of name.
// The error is an UnknownUnitError when there is no such unit.
func (c *Client) History(ctx context.Context, units ...string) ([]UnitHistory, error) {
	snap, err := store{c}.read(quiet(ctx))
	if err != nil {
		return nil, err
	}
	names, err := c.named(&snap.index, units)
	if err != nil {
		return nil, err
	}
	out := make([]UnitHistory, 0, len(names))
	for _, name := range names {
		out = append(out, UnitHistory{Name: name, Releases: snap.Units[name].history()})
	}
	return out, nil
}

func (u *unitState) history() []Release {
	out := make([]Release, 0, len(u.Releases))
	for _, r := range u.Releases {
		e := Release{
			Number: r.Number, Current: r.Number == u.Release, Outcome: r.Outcome, DeployID: r.Deploy,
			By: r.By, At: r.At, Images: append([]string{}, r.Images...), Code: r.Code, Cause: r.Cause,
		}
		if e.Outcome == "" {
			e.Outcome = Interrupted // killed, or still running
		}
		out = append(out, e)
	}
	return out
}
