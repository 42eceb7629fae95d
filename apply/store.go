package apply

import (
	"context"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
)

// The names of what is kept in the cluster. State objects carry labels of their
// own, so that no listing of an app's objects downloads its history.
const (
	indexType  corev1.SecretType = "shipit.dev/index"
	intentType corev1.SecretType = "shipit.dev/intent"

	labelApp   = "shipit.dev/app"
	labelState = "shipit.dev/state" // index, intent or lease

	stateKey = "state" // the one data key of a state Secret: JSON, zstd
)

// maxIntent is what etcd lets a Secret hold, less what surrounds the data.
const maxIntent = 1000 * 1000

// store reads and writes the state of one app.
type store struct{ c *Client }

// snapshot is the index as it was read; version is "" when there is none yet.
type snapshot struct {
	index
	version string
	base    string // the version that it was written over
}

func (s store) indexName() string               { return "shipit-" + s.c.owner.App }
func (s store) intentName(deploy string) string { return "shipit-" + s.c.owner.App + "-" + deploy }

func (s store) ref(name string) Ref {
	return Ref{APIVersion: "v1", Kind: "Secret", Namespace: s.c.owner.Namespace, Name: name}
}

func (s store) labels(state string) map[string]string {
	return map[string]string{labelApp: s.c.owner.App, labelState: state}
}

// read returns the index, empty when there is none.
func (s store) read(ctx context.Context) (*snapshot, error) {
	ref := s.ref(s.indexName())
	secret, err := s.c.core.Secrets(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return &snapshot{index: index{FormatVersion: formatVersion, App: s.c.owner.App, Units: map[string]*unitState{}}}, nil
	}
	if err != nil {
		return nil, s.c.typed(err, ref, nil)
	}
	return s.parse(secret)
}

func (s store) parse(secret *corev1.Secret) (*snapshot, error) {
	ref := s.ref(secret.Name)
	if secret.Type != indexType || secret.Labels[labelApp] != s.c.owner.App {
		return nil, &NotOursError{Object: ref, App: secret.Labels[labelApp]}
	}
	snap := &snapshot{version: secret.ResourceVersion}
	if err := decode(secret.Data[stateKey], ref, &snap.index); err != nil {
		return nil, err
	}
	if snap.Units == nil {
		snap.Units = map[string]*unitState{}
	}
	return snap, nil
}

// swap changes the index by compare-and-swap. It begins with the snapshot that
// the caller has, and reads again when somebody else was faster. change may
// refuse; it is called once per attempt.
func (s store) swap(ctx context.Context, snap *snapshot, change func(*index) error) (*snapshot, error) {
	for {
		if snap == nil {
			var err error
			if snap, err = s.read(ctx); err != nil {
				return nil, err
			}
		}
		next, err := s.write(ctx, snap, change)
		if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
			snap = nil
			continue
		}
		return next, err
	}
}

func (s store) write(ctx context.Context, snap *snapshot, change func(*index) error) (*snapshot, error) {
	next := snap.clone()
	if err := change(&next.index); err != nil {
		return nil, err
	}
	data, err := encode(next.index)
	if err != nil {
		return nil, err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: s.indexName(), Namespace: s.c.owner.Namespace, Labels: s.labels("index"),
			ResourceVersion: snap.version,
		},
		Type: indexType,
		Data: map[string][]byte{stateKey: data},
	}
	secrets := s.c.core.Secrets(s.c.owner.Namespace)
	if snap.version == "" {
		secret, err = secrets.Create(ctx, secret, metav1.CreateOptions{FieldManager: s.c.owner.Manager()})
	} else {
		secret, err = secrets.Update(ctx, secret, metav1.UpdateOptions{FieldManager: s.c.owner.Manager()})
	}
	if err != nil {
		if apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) {
			return nil, err
		}
		return nil, s.c.typed(err, s.ref(s.indexName()), nil)
	}
	next.version, next.base = secret.ResourceVersion, snap.version
	return next, nil
}

func (s *snapshot) clone() *snapshot {
	out := &snapshot{index: s.index, version: s.version}
	out.Kinds = slices.Clone(s.Kinds)
	out.Units = make(map[string]*unitState, len(s.Units))
	for name, u := range s.Units {
		copied := *u
		copied.Releases = slices.Clone(u.Releases)
		if u.Lock != nil {
			lock := *u.Lock
			copied.Lock = &lock
		}
		out.Units[name] = &copied
	}
	return out
}

// record writes an intent.
func (s store) record(ctx context.Context, in *intent) error {
	data, err := encode(in)
	if err != nil {
		return err
	}
	ref := s.ref(s.intentName(in.Deploy))
	if len(data) > maxIntent {
		return fmt.Errorf("recording deploy %s: %d bytes of objects do not fit into a Secret", in.Deploy, len(data))
	}
	immutable := true
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: ref.Name, Namespace: ref.Namespace, Labels: s.labels("intent")},
		Type:       intentType,
		Data:       map[string][]byte{stateKey: data},
		Immutable:  &immutable,
	}
	_, err = s.c.core.Secrets(ref.Namespace).Create(ctx, secret, metav1.CreateOptions{FieldManager: s.c.owner.Manager()})
	return s.c.typed(err, ref, nil)
}

// intent reads the record of a deploy.
func (s store) intent(ctx context.Context, deploy string) (*intent, error) {
	ref := s.ref(s.intentName(deploy))
	secret, err := s.c.core.Secrets(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, &DamagedStateError{Object: ref, Err: fmt.Errorf("the record is gone")}
	}
	if err != nil {
		return nil, s.c.typed(err, ref, nil)
	}
	in := &intent{}
	if err := decode(secret.Data[stateKey], ref, in); err != nil {
		return nil, err
	}
	return in, nil
}

// forget deletes the intents that no retained release refers to.
func (s store) forget(ctx context.Context, ix *index, dropped []string) error {
	for _, deploy := range dropped {
		if ix.refersTo(deploy) {
			continue
		}
		ref := s.ref(s.intentName(deploy))
		err := s.c.core.Secrets(ref.Namespace).Delete(ctx, ref.Name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return s.c.typed(err, ref, nil)
		}
	}
	return nil
}

func (ix *index) refersTo(deploy string) bool {
	for _, u := range ix.Units {
		if u.Deploy == deploy || u.Lock != nil && u.Lock.Deploy == deploy {
			return true
		}
		for _, r := range u.Releases {
			if r.Deploy == deploy {
				return true
			}
		}
	}
	return false
}

// selector matches the state objects of this app.
func (s store) selector() string {
	return labels.SelectorFromSet(labels.Set{labelApp: s.c.owner.App}).String()
}
