package apply

import (
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SetLease makes the client's Leases last for d, so that tests need not wait for
// what a Lease lasts in use.
func (c *Client) SetLease(d time.Duration) {
	c.times = leaseTimes{duration: d, trusted: 2 * d / 3, renew: d / 3}
}

// Drift lists in what a unit differs from a recorded release: in the fields that
// this app owns, in objects that are missing, and in objects that are too many.
func (c *Client) Drift(ctx context.Context, unit string, release int) ([]string, error) {
	s := store{c}
	snap, err := s.read(ctx)
	if err != nil {
		return nil, err
	}
	u := snap.Units[unit]
	if u == nil {
		return nil, &UnknownUnitError{Unit: unit}
	}
	t, err := s.recordedTarget(ctx, map[string]*intent{}, unit, u, release)
	if err != nil {
		return nil, err
	}
	t.history(u)
	live, err := c.live(ctx, snap.Kinds)
	if err != nil {
		return nil, err
	}
	var out []string
	if u.Release != release {
		out = append(out, fmt.Sprintf("the index says release %d", u.Release))
	}
	scaled := c.scaledBy([]target{t}, live)
	for _, o := range t.objects {
		ref := refOf(o)
		if scaled[kindName{ref.Kind, ref.Name}] {
			o = withoutReplicas(o)
		}
		if hookPhase(o) != "" {
			continue // it ran, and may be gone
		}
		now := live[keyOf(ref)]
		if t.over(o, now) {
			continue
		}
		if now == nil {
			out = append(out, ref.String()+" is missing")
			continue
		}
		owned, ok := ownedFields(now, c.owner.Manager())
		if !ok {
			out = append(out, ref.String()+" is not ours")
			continue
		}
		for _, p := range compare(o, now, owned) {
			out = append(out, ref.String()+" "+p.String())
		}
	}
	for _, ref := range t.keep {
		if live[keyOf(ref)] == nil {
			out = append(out, ref.String()+" is missing")
		}
	}
	for _, ch := range c.unwanted(t, wantedBy([]target{t}), live) {
		out = append(out, ch.ref.String()+" is too many")
	}
	slices.Sort(out)
	return out, nil
}

// State lists what is wrong with the state: locks that are held, records that
// are missing, and records and Leases that nothing refers to.
func (c *Client) State(ctx context.Context) (held, missing, stale []string, err error) {
	s := store{c}
	snap, err := s.read(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	listed, err := s.records(ctx)
	if err != nil {
		return nil, nil, nil, err
	}
	for _, r := range listed {
		if !snap.refersTo(r.deploy) {
			stale = append(stale, "Secret "+r.name)
		}
	}
	leases, err := c.leases.List(ctx, metav1.ListOptions{LabelSelector: s.selector()})
	if err != nil {
		return nil, nil, nil, err
	}
	for i := range leases.Items {
		stale = append(stale, "Lease "+leases.Items[i].Name)
	}
	for name, u := range snap.Units {
		if u.Lock != nil {
			held = append(held, name)
		}
		for _, r := range u.Releases {
			if _, err := s.recordedTarget(ctx, map[string]*intent{}, name, u, r.Number); err != nil {
				missing = append(missing, err.Error())
			}
		}
	}
	return held, missing, stale, nil
}

// OutcomeOf reads the record of how a deploy ended.
func (c *Client) OutcomeOf(ctx context.Context, deploy string) (outcome Outcome, units map[string]Outcome, err error) {
	s := store{c}
	r := &outcomeRecord{}
	if err := s.get(ctx, outcomeType, s.outcomeName(deploy), r); err != nil {
		return "", nil, err
	}
	units = map[string]Outcome{}
	for _, u := range r.Units {
		units[u.Name] = u.Outcome
	}
	return r.Outcome, units, nil
}

// Encode gives a record as it is kept.
func Encode(v any) []byte {
	data, err := encode(v)
	if err != nil {
		panic(err)
	}
	return data
}

// HeaderOf reads the header of a record as it is kept.
func HeaderOf(data []byte) (format int, writtenBy string, err error) {
	var h header
	err = decode(data, Ref{}, &h)
	return h.FormatVersion, h.WrittenBy, err
}
