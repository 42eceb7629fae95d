package apply

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxPart is what one Secret of a record holds: the API server's limit is 1 MiB
// for the data of all keys.
const maxPart = 1000 * 1000

// partsKey is the data key of a record's first Secret that says how many there
// are; without it, there is one.
const partsKey = "parts"

func partName(name string, part int) string {
	if part == 0 {
		return name
	}
	return name + "-" + strconv.Itoa(part)
}

// split cuts data into what fits into one Secret each.
func split(data []byte, size int) [][]byte {
	var out [][]byte
	for len(data) > size {
		out, data = append(out, data[:size]), data[size:]
	}
	return append(out, data)
}

// put writes a record that never changes, over as many Secrets as it needs. The
// first is written last: where it is, the record is whole.
// patience is that of repeatFor.
func (s store) put(ctx context.Context, kind corev1.SecretType, name, state, deploy string, record any, patience func(error) time.Duration) error {
	ctx, cancel := finishing(ctx)
	defer cancel()
	data, err := encode(record)
	if err != nil {
		return err
	}
	parts := split(data, maxPart)
	for i := len(parts) - 1; i >= 0; i-- {
		ref := s.ref(partName(name, i))
		secret := &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Name: ref.Name, Namespace: ref.Namespace, Labels: s.labels(state, deploy)},
			Type:       kind,
			Data:       map[string][]byte{stateKey: parts[i]},
			Immutable:  ptrTo(true),
		}
		if i == 0 && len(parts) > 1 {
			secret.Data[partsKey] = []byte(strconv.Itoa(len(parts)))
		}
		err := repeatFor(ctx, patience, func(again bool) error {
			_, err := s.c.core.Secrets(ref.Namespace).Create(ctx, secret, metav1.CreateOptions{FieldManager: s.c.owner.Manager()})
			if again && apierrors.IsAlreadyExists(err) {
				return nil
			}
			return err
		})
		if apierrors.IsAlreadyExists(err) {
			return err
		}
		if err != nil {
			return s.c.typed(err, ref, nil)
		}
	}
	return nil
}

// get reads a record that put wrote. One that is not there, or not whole, is a
// DamagedStateError.
func (s store) get(ctx context.Context, kind corev1.SecretType, name string, record any) error {
	first, err := s.part(ctx, kind, name)
	if err != nil {
		return err
	}
	count := 1
	if raw, ok := first.Data[partsKey]; ok {
		if count, err = strconv.Atoi(string(raw)); err != nil || count < 1 || count > maxState/maxPart {
			return &DamagedStateError{Object: s.ref(name), Err: fmt.Errorf("%q is no number of parts", raw)}
		}
	}
	parts := make([][]byte, count)
	parts[0] = first.Data[stateKey]
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(8)
	for i := 1; i < count; i++ {
		g.Go(func() error {
			part, err := s.part(gctx, kind, partName(name, i))
			if err == nil {
				parts[i] = part.Data[stateKey]
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	var data []byte
	for _, p := range parts {
		data = append(data, p...)
	}
	return decode(data, s.ref(name), record)
}

func (s store) part(ctx context.Context, kind corev1.SecretType, name string) (*corev1.Secret, error) {
	ref := s.ref(name)
	secret, err := s.c.core.Secrets(ref.Namespace).Get(ctx, name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return nil, &DamagedStateError{Object: ref, Err: fmt.Errorf("it is gone")}
	case err != nil:
		return nil, s.c.typed(err, ref, nil)
	case secret.Type != kind:
		return nil, &DamagedStateError{Object: ref, Err: fmt.Errorf("it is of type %s", secret.Type)}
	}
	return secret, nil
}

// intent reads what a deploy wanted.
func (s store) intent(ctx context.Context, deploy string) (*intent, error) {
	in := &intent{}
	if err := s.get(ctx, intentType, s.intentName(deploy), in); err != nil {
		return nil, err
	}
	return in, nil
}
