package apply

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/zstd"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// formatVersion is the newest format of the state that this program reads, and
// the one that it writes.
const formatVersion = 1

// State is what the index says of a unit.
type State string

const (
	StateDeploying State = "deploying" // a deploy runs, or was killed
	StateDeployed  State = "deployed"  // at a release that became healthy
	StateFailed    State = "failed"    // left unhealthy
	StateRemoved   State = "removed"   // has no objects
)

// index is the state of an app: which release each unit is at, and who moves it.
// There is one, changed only by compare-and-swap.
type index struct {
	FormatVersion int                   `json:"formatVersion"`
	App           string                `json:"app"`
	Kinds         []kindRef             `json:"kinds"` // every kind that any unit ever had: what to list to find its objects
	Units         map[string]*unitState `json:"units"`
}

type kindRef struct {
	APIVersion string `json:"apiVersion"`
	Kind       string `json:"kind"`
}

type unitState struct {
	Source   string         `json:"source,omitempty"`
	State    State          `json:"state"`
	Release  int            `json:"release"` // the current one, or the one being deployed; 0 has none
	Healthy  int            `json:"healthy"` // the last healthy one: where a failure returns to
	Last     int            `json:"last"`    // the highest number given
	Deploy   string         `json:"deploy"`  // the deploy that brought it here
	At       time.Time      `json:"at"`
	By       string         `json:"by,omitempty"`
	Lock     *unitLock      `json:"lock,omitempty"`
	Releases []releaseState `json:"releases"` // newest first
}

// unitLock points to the Lease of a running deploy.
type unitLock struct {
	Deploy string    `json:"deploy"`
	By     string    `json:"by,omitempty"`
	Since  time.Time `json:"since"`
}

type releaseState struct {
	Number  int       `json:"number"`
	Deploy  string    `json:"deploy"` // whose intent holds the objects
	Outcome Outcome   `json:"outcome,omitempty"`
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty"`
	Images  []string  `json:"images,omitempty"`
	Code    Code      `json:"code,omitempty"`
	Cause   string    `json:"cause,omitempty"`
}

func (u *unitState) release(number int) *releaseState {
	for i := range u.Releases {
		if u.Releases[i].Number == number {
			return &u.Releases[i]
		}
	}
	return nil
}

// settled reports whether the unit is at a healthy release that nobody but
// deploy moves.
func (u *unitState) settled(deploy string) bool {
	return u != nil && u.State == StateDeployed && u.Release > 0 && u.Release == u.Healthy &&
		(u.Lock == nil || u.Lock.Deploy == deploy)
}

// intent is what one deploy wants, written before its first change and never
// changed: the record that a rollback applies.
type intent struct {
	FormatVersion int                   `json:"formatVersion"`
	Deploy        string                `json:"deploy"`
	App           string                `json:"app"`
	Namespace     string                `json:"namespace"`
	Source        string                `json:"source,omitempty"`
	By            string                `json:"by,omitempty"`
	At            time.Time             `json:"at"`
	Units         map[string]intentUnit `json:"units"`
}

type intentUnit struct {
	Release int              `json:"release"`
	From    int              `json:"from"` // the last healthy release before
	Objects []map[string]any `json:"objects"`
}

// recorded returns the objects as an intent keeps them: of a Secret no values.
func recorded(objects []*unstructured.Unstructured) []map[string]any {
	out := make([]map[string]any, 0, len(objects))
	for _, o := range objects {
		if isSecret(o) {
			o = o.DeepCopy()
			delete(o.Object, "data")
			delete(o.Object, "stringData")
		}
		out = append(out, o.Object)
	}
	return out
}

func isSecret(o *unstructured.Unstructured) bool {
	return o.GetKind() == "Secret" && o.GetAPIVersion() == "v1"
}

// encode gives v as zstd-compressed JSON.
func encode(v any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, err
	}
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return w.EncodeAll(data, nil), nil
}

// maxState bounds what a state Secret may decompress to.
const maxState = 256 << 20

// decode reads what encode wrote, and refuses a newer format. v's own
// formatVersion field is checked before the rest is read.
func decode(data []byte, object Ref, v any) error {
	r, err := zstd.NewReader(bytes.NewReader(data), zstd.WithDecoderConcurrency(1), zstd.WithDecoderMaxMemory(maxState))
	if err != nil {
		return &DamagedStateError{Object: object, Err: err}
	}
	defer r.Close()
	plain, err := io.ReadAll(io.LimitReader(r, maxState))
	if err != nil {
		return &DamagedStateError{Object: object, Err: err}
	}
	var head struct {
		FormatVersion int `json:"formatVersion"`
	}
	if err := json.Unmarshal(plain, &head); err != nil {
		return &DamagedStateError{Object: object, Err: err}
	}
	switch {
	case head.FormatVersion > formatVersion:
		return &NewerFormatError{Object: object, Version: head.FormatVersion, Known: formatVersion}
	case head.FormatVersion < 1:
		return &DamagedStateError{Object: object, Err: fmt.Errorf("no format version")}
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return &DamagedStateError{Object: object, Err: err}
	}
	return nil
}
