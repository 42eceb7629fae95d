package apply

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/klauspost/compress/zstd"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// formatVersion is the newest format of the state that this program reads, and
// the one that it writes. A field that an older program may lose without harm
// may be added without a new format: it writes back only what it knows.
const formatVersion = 1

// header is the start of every record. Its two fields stay what they are in all
// formats to come.
type header struct {
	FormatVersion int    `json:"formatVersion"`
	WrittenBy     string `json:"writtenBy,omitempty"` // the version of shipit, to be installed by who cannot read the format
}

func (c *Client) header() header {
	return header{FormatVersion: formatVersion, WrittenBy: c.owner.Version}
}

// State is what the index says of a unit.
type State string

const (
	StateDeploying State = "deploying" // a deploy runs, or was killed
	StateDeployed  State = "deployed"  // at a release that became healthy
	StateFailed    State = "failed"    // left unhealthy
	StateRemoved   State = "removed"   // has no objects
)

// What a status sees beyond the index.
const (
	StateUnhealthy   State = "unhealthy"   // deployed, and not ready now
	StateInterrupted State = "interrupted" // a deploy was moving it and is known to be gone
	StateUnrecorded  State = "unrecorded"  // it is there, and the index was lost
)

// index is the state of an app: which release each unit is at, and who moves it.
// There is one, changed only by compare-and-swap.
type index struct {
	header
	App        string                `json:"app"`
	SecretsKey []byte                `json:"secretsKey,omitempty"` // under which the names of Secrets are made
	Kinds      []kindRef             `json:"kinds"`                // every kind that any unit ever had: what to list to find its objects
	Protected  string                `json:"protected,omitempty"`  // the protected environment that it was deployed to last
	Units      map[string]*unitState `json:"units"`
	Expires    map[string]time.Time  `json:"expires,omitempty"` // when what a source deployed is over; without, never
	Recent     []string              `json:"recent,omitempty"`  // the latest deploys, newest first, whatever they did: their records are kept
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
	Deploy  string    `json:"deploy"`            // whose intent holds the objects
	Outcome Outcome   `json:"outcome,omitempty"` // "" until its deploy ends
	At      time.Time `json:"at"`
	By      string    `json:"by,omitempty"`
	Images  []string  `json:"images,omitempty"`
	Hashed  []Ref     `json:"hashed,omitempty"` // its objects that are named by their content; of its hooks those that have run; of its Jobs that remove themselves what onceRef says
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

// goHome puts the unit back to the release that it had before, as if it had never
// left: what a failed deploy has undone did not bring it there.
func (u *unitState) goHome(before *unitState, release int) {
	u.Release = release
	if release == 0 {
		u.State, u.At = StateRemoved, now()
		return
	}
	u.State = StateDeployed
	u.Deploy, u.At, u.By = before.broughtBy(release)
}

// broughtBy returns which deploy or rollback brought the unit to its healthy
// release, when, and by whom. The index of an older shipit names a deploy that was
// undone since.
func (u *unitState) broughtBy(release int) (deploy string, at time.Time, by string) {
	r := u.release(release)
	if r == nil || u.State == StateDeployed && u.Release == release && !u.tried(u.Deploy) {
		return u.Deploy, u.At, u.By
	}
	return r.Deploy, r.At, r.By
}

// tried reports whether a deploy gave the unit a release that did not become
// healthy.
func (u *unitState) tried(deploy string) bool {
	return slices.ContainsFunc(u.Releases, func(r releaseState) bool { return r.Deploy == deploy && r.Outcome != Deployed })
}

// settled reports whether the unit is at a healthy release that nobody but
// deploy moves.
func (u *unitState) settled(deploy string) bool {
	return u != nil && u.State == StateDeployed && u.Release > 0 && u.Release == u.Healthy &&
		(u.Lock == nil || u.Lock.Deploy == deploy)
}

// retained are the hashed objects of the releases that one may return to.
func (u *unitState) retained() []Ref {
	if u == nil {
		return nil
	}
	var out []Ref
	for _, r := range u.Releases {
		if r.Outcome == Deployed || r.Number == u.Release || r.Number == u.Healthy {
			out = append(out, r.Hashed...)
		}
	}
	return out
}

// returnable are the hashed objects of the healthy releases alone. A unit on its way
// back keeps no others: those of a release that was stopped half-way would stay for good.
func (u *unitState) returnable() []Ref {
	if u == nil {
		return nil
	}
	var out []Ref
	for _, r := range u.Releases {
		if r.Outcome == Deployed || r.Number == u.Healthy {
			out = append(out, r.Hashed...)
		}
	}
	return out
}

// keepReleases is how many releases of a unit the history keeps, and how many
// deploys of an app are kept for what they did.
const keepReleases = 10

// trim drops the oldest releases, but never the current or the healthy one.
func (u *unitState) trim() { u.dropOld(func(releaseState) bool { return true }) }

// trimFailed drops of the oldest releases those that were never healthy: nothing
// is kept for them, so nothing has to be deleted first.
func (u *unitState) trimFailed() {
	u.dropOld(func(r releaseState) bool { return r.Outcome != Deployed })
}

func (u *unitState) dropOld(may func(releaseState) bool) {
	n := 0
	u.Releases = slices.DeleteFunc(u.Releases, func(r releaseState) bool {
		n++
		return n > keepReleases && r.Number != u.Release && r.Number != u.Healthy && may(r)
	})
}

// refersTo reports whether the records of a deploy are still needed.
func (ix *index) refersTo(deploy string) bool {
	for _, u := range ix.Units {
		if u.Deploy == deploy || u.Lock != nil && u.Lock.Deploy == deploy {
			return true
		}
		if slices.ContainsFunc(u.Releases, func(r releaseState) bool { return r.Deploy == deploy }) {
			return true
		}
	}
	return slices.Contains(ix.Recent, deploy)
}

// intent is what one deploy or rollback wants, written before its first change
// and never changed: the record that a rollback applies.
type intent struct {
	header
	Deploy    string                `json:"deploy"`
	App       string                `json:"app"`
	Namespace string                `json:"namespace"`
	Source    string                `json:"source,omitempty"`
	By        string                `json:"by,omitempty"`
	At        time.Time             `json:"at"`
	Rollback  bool                  `json:"rollback,omitempty"` // asked for as one
	Units     map[string]intentUnit `json:"units"`
	Removes   []string              `json:"removes,omitempty"` // units that go once the others are healthy
}

type intentUnit struct {
	Release         int              `json:"release"`
	From            int              `json:"from"`             // the last healthy release before
	Record          string           `json:"record,omitempty"` // of a rollback: the deploy whose intent has the objects
	Needs           []string         `json:"needs,omitempty"`
	DeadlineSeconds int64            `json:"deadlineSeconds,omitempty"`
	Found           []Ref            `json:"found,omitempty"` // what the unit was made of before
	Objects         []map[string]any `json:"objects,omitempty"`
}

// outcomeRecord is how one deploy ended. A deploy that has an intent and no
// outcome was killed, or still runs.
type outcomeRecord struct {
	header
	Deploy      string        `json:"deploy"`
	App         string        `json:"app"`
	Namespace   string        `json:"namespace"`
	Outcome     Outcome       `json:"outcome"`
	Interrupted bool          `json:"interrupted,omitempty"`
	At          time.Time     `json:"at"` // of the end
	TookMillis  int64         `json:"tookMillis"`
	Error       string        `json:"error,omitempty"`
	Units       []outcomeUnit `json:"units"`
}

type outcomeUnit struct {
	Name       string          `json:"name"`
	Outcome    Outcome         `json:"outcome"`
	Release    int             `json:"release"`
	Tried      int             `json:"tried,omitempty"`
	Previous   int             `json:"previous,omitempty"`
	Pods       Pods            `json:"pods"`
	TookMillis int64           `json:"tookMillis,omitempty"`
	Diagnosis  *Diagnosis      `json:"diagnosis,omitempty"`
	Objects    []outcomeObject `json:"objects,omitempty"` // those that were to change
}

type outcomeObject struct {
	Object Ref      `json:"object"`
	Action Action   `json:"action"`
	Done   bool     `json:"done"`
	Fields []string `json:"fields,omitempty"`
	Error  string   `json:"error,omitempty"`
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

var secretKind = kindRef{APIVersion: "v1", Kind: "Secret"}

func isSecret(o *unstructured.Unstructured) bool {
	return o.GetKind() == secretKind.Kind && o.GetAPIVersion() == secretKind.APIVersion
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

// maxState bounds what a record may decompress to.
const maxState = 256 << 20

// decode reads what encode wrote, and refuses a newer format. The header is
// checked before the rest is read.
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
	var head header
	if err := json.Unmarshal(plain, &head); err != nil {
		return &DamagedStateError{Object: object, Err: err}
	}
	if err := head.readable(object); err != nil {
		return err
	}
	if err := json.Unmarshal(plain, v); err != nil {
		return &DamagedStateError{Object: object, Err: err}
	}
	return nil
}

// readable returns nil if this program reads the format.
func (h header) readable(object Ref) error {
	switch {
	case h.FormatVersion > formatVersion:
		return &NewerFormatError{Object: object, Version: h.FormatVersion, Known: formatVersion, WrittenBy: h.WrittenBy}
	case h.FormatVersion < 1:
		return &DamagedStateError{Object: object, Err: fmt.Errorf("no format version")}
	}
	return nil
}
