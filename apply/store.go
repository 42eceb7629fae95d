package apply

import (
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// The names of what is kept in the cluster. State objects carry labels of their
// own, so that no listing of an app's objects downloads its history.
const (
	indexType   corev1.SecretType = "shipit.dev/index"
	intentType  corev1.SecretType = "shipit.dev/intent"
	outcomeType corev1.SecretType = "shipit.dev/outcome"

	labelApp    = "shipit.dev/app"
	labelState  = "shipit.dev/state"  // index, intent, outcome or lease
	labelDeploy = "shipit.dev/deploy" // of an intent, an outcome or a Lease

	stateKey = "state" // the data key of a record: JSON, zstd
)

// secretsOf is what lists Secrets by their metadata alone.
var secretsOf = schema.GroupVersionResource{Version: "v1", Resource: "secrets"}

// store reads and writes the state of one app.
type store struct{ c *Client }

// snapshot is the index as it was read; version is "" when there is none yet.
type snapshot struct {
	index
	version string
	base    string // the version that it was written over
}

func (s store) indexName() string                { return "shipit-" + s.c.owner.App }
func (s store) intentName(deploy string) string  { return s.indexName() + "-" + deploy }
func (s store) outcomeName(deploy string) string { return s.intentName(deploy) + "-outcome" }

func (s store) ref(name string) Ref {
	return Ref{APIVersion: "v1", Kind: "Secret", Namespace: s.c.owner.Namespace, Name: name}
}

// labels are those of a state object; deploy is "" for the index.
func (s store) labels(state, deploy string) map[string]string {
	l := map[string]string{labelApp: s.c.owner.App, labelState: state}
	if deploy != "" {
		l[labelDeploy] = deploy
	}
	return l
}

// finishing is ctx without its end, for a write that must not be left unknown;
// when ctx ends there are still some seconds for it.
func finishing(ctx context.Context) (context.Context, context.CancelFunc) {
	out, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(renewEvery, cancel) })
	return out, func() {
		stop()
		cancel()
	}
}

// read returns the index, empty when there is none.
func (s store) read(ctx context.Context) (*snapshot, error) {
	ref := s.ref(s.indexName())
	secret, err := s.c.core.Secrets(ref.Namespace).Get(ctx, ref.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return &snapshot{index: index{header: s.c.header(), App: s.c.owner.App, Units: map[string]*unitState{}}}, nil
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
		var damaged *DamagedStateError
		if errors.As(err, &damaged) {
			damaged.Index = true
		}
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
	ctx, cancel := finishing(ctx)
	defer cancel()
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
	next.header = s.c.header()
	data, err := encode(next.index)
	if err != nil {
		return nil, err
	}
	secret := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{
			Name: s.indexName(), Namespace: s.c.owner.Namespace, Labels: s.labels("index", ""),
			Annotations: next.annotations(), ResourceVersion: snap.version,
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
	out.Kinds, out.Recent, out.Expires = slices.Clone(s.Kinds), slices.Clone(s.Recent), maps.Clone(s.Expires)
	out.Units = make(map[string]*unitState, len(s.Units))
	for name, u := range s.Units {
		out.Units[name] = u.clone()
	}
	return out
}

func (u *unitState) clone() *unitState {
	copied := *u
	copied.Releases = slices.Clone(u.Releases)
	if u.Lock != nil {
		lock := *u.Lock
		copied.Lock = &lock
	}
	return &copied
}

// selector matches the state objects of this app.
func (s store) selector() string {
	return labels.SelectorFromSet(labels.Set{labelApp: s.c.owner.App}).String()
}
