package apply

import (
	"context"
	"errors"
	"slices"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// swap changes the index for the holder of the lock, who knows what belongs there: known
// is the index as the holder read or wrote it last. One that somebody deleted or damaged
// since is written anew, and units that lost their lock in it, as in a copy of
// earlier that was put back, are again what they were. from is where to begin, nil to
// read first. Nobody else can have written those units: who takes over ends the
// holder's Lease before.
func (l *lock) swap(ctx context.Context, em *emitter, known, from *snapshot, change func(*index) error) (*snapshot, error) {
	ctx, cancel := finishing(ctx)
	defer cancel()
	s := store{l.c}
	for {
		if from == nil {
			var err error
			if from, err = l.readOr(ctx, em, known); err != nil {
				return nil, err
			}
		}
		next, err := s.write(ctx, from, func(ix *index) error {
			l.reclaim(em, known, ix)
			if err := l.owns(ix); err != nil {
				return err
			}
			return change(ix)
		})
		if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) || apierrors.IsNotFound(err) && from.version != "" {
			from = nil
			continue
		}
		return next, err
	}
}

// readOr reads the index, and returns the known one when there is none that can be read.
func (l *lock) readOr(ctx context.Context, em *emitter, known *snapshot) (*snapshot, error) {
	s := store{l.c}
	snap, err := s.read(ctx)
	var damaged *DamagedStateError
	var notOurs *NotOursError
	switch {
	case err == nil && snap.version != "":
		return snap, nil
	case err == nil:
		em.once(Event{Kind: EventWarning, Message: "the index of the releases was deleted during this deploy, and is written anew"})
		snap = known.clone()
		snap.version = ""
		return snap, nil
	case !errors.As(err, &damaged) && !errors.As(err, &notOurs):
		return nil, err
	}
	secret, getErr := l.c.core.Secrets(l.c.owner.Namespace).Get(ctx, s.indexName(), metav1.GetOptions{})
	if getErr != nil || secret.Type != indexType {
		return nil, errors.Join(err, l.c.typed(getErr, s.ref(s.indexName()), nil))
	}
	em.once(Event{Kind: EventWarning, Message: "the index of the releases was damaged during this deploy, and is written anew", Err: err})
	snap = known.clone()
	snap.version = secret.ResourceVersion
	return snap, nil
}

// reclaim puts the units back that ix should have locked and does not.
func (l *lock) reclaim(em *emitter, known *snapshot, ix *index) {
	for _, name := range l.units {
		was := known.Units[name]
		if u := ix.Units[name]; was == nil || u != nil && u.Lock != nil {
			continue
		}
		em.once(Event{Kind: EventWarning, Message: "the index of the releases was changed during this deploy, and has again what belongs there"})
		ix.Units[name] = was.clone()
		ix.Kinds = kindsOf(nil, slices.Concat(ix.Kinds, known.Kinds))
		if ix.SecretsKey == nil {
			ix.SecretsKey = known.SecretsKey
		}
	}
}

// rewrite writes the record of what this deploy wants again if somebody deleted it:
// without it nobody returns to its releases.
func (m *mover) rewrite(ctx context.Context, listed []stateSecret) {
	s := store{m.c}
	name := s.intentName(m.id)
	if m.wanted == nil || len(m.begun) == 0 || slices.ContainsFunc(listed, func(r stateSecret) bool { return r.name == name }) {
		return
	}
	err := s.put(ctx, intentType, name, "intent", m.id, m.wanted, usual)
	m.em.once(Event{Kind: EventWarning, Message: "the record of this deploy was deleted during it, and is written anew", Err: err})
}

// letGo gives the lock back and leaves everything as it is, half-way: the index
// says so.
func (m *mover) letGo(ctx context.Context) {
	ctx, cancel := hurry(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	err := repeat(ctx, func(again bool) error {
		if again {
			if snap, err := (store{m.c}).read(ctx); err == nil && snap.version != "" && m.lock.free(&snap.index) {
				return nil
			}
		}
		_, err := m.lock.swap(ctx, m.em, m.snap, nil, func(ix *index) error {
			m.lock.unlock(ix)
			return nil
		})
		return err
	})
	if err != nil {
		m.em.emit(Event{Kind: EventWarning, Message: lockKept, Err: err})
		return
	}
	m.recorded = true
}
