package apply

import (
	"errors"
	"io"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Of what was begun and stays, only what nothing was written of is as it was.
func TestForgetWhatWasNotTouched(t *testing.T) {
	t.Parallel()
	denied := &DeniedError{Err: errors.New("no")}
	for name, tt := range map[string]struct {
		changes []*change
		gone    bool
	}{
		"nothing was sent":           {[]*change{{action: ActionCreate}, {action: ActionUnchanged}}, true},
		"the first write is refused": {[]*change{{action: ActionUpdate, err: denied}, {action: ActionUpdate}}, true},
		"one was written":            {[]*change{{action: ActionUpdate, done: true}, {action: ActionUpdate, err: denied}}, false},
		"no answer came":             {[]*change{{action: ActionCreate, err: &UnreachableError{Err: io.EOF}}}, false},
		"the server was too busy":    {[]*change{{action: ActionCreate, err: apierrors.NewServiceUnavailable("starting")}}, false},
	} {
		for _, ch := range tt.changes {
			ch.unit = "web"
		}
		m := &mover{begun: []string{"web", "db"}, plan: &plan{changes: tt.changes}}
		left := map[string]error{"web": nil}
		m.forget(left)
		if want := map[bool]string{true: "db", false: "web db"}[tt.gone]; strings.Join(m.begun, " ") != want || (len(left) == 0) != tt.gone {
			t.Errorf("%s: begun %q, left %v", name, m.begun, left)
		}
	}
}
