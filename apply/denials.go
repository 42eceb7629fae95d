package apply

import (
	"errors"
	"slices"
	"strings"

	"github.com/shipit-dev/shipit/apply/health"
)

// denials makes one diagnosis for each unit and reason of the changes that were
// denied: who refuses one object of a service often refuses all of them.
func denials(changes []*change) []*Diagnosis {
	var out []*Diagnosis
	objects := map[*Diagnosis][]string{}
	reasons := map[*Diagnosis]string{}
	for _, ch := range changes {
		var e *DeniedError
		if !errors.As(ch.err, &e) {
			continue
		}
		i := slices.IndexFunc(out, func(d *Diagnosis) bool { return d.Unit == ch.unit && reasons[d] == e.Reason })
		if i < 0 {
			i = len(out)
			out = append(out, &Diagnosis{Code: CodeAdmissionDenied, Unit: ch.unit, Object: e.Object, Hint: e.Hint()})
			reasons[out[i]] = e.Reason
			if escalates(e.Reason) {
				out[i].Field = "permissions"
			}
		}
		d := out[i]
		if objects[d] = append(objects[d], e.Object.String()); len(objects[d]) > 1 {
			d.Hint = deniedHint(e.Reason, Ref{Kind: "KIND", Namespace: e.Object.Namespace})
		}
		d.Message = strings.Join(objects[d], ", ") + ": " + e.Reason
	}
	return out
}

func isDenied(err error) bool {
	var e *DeniedError
	return errors.As(err, &e)
}

// deniedHint is the way out of the denial of an object by a policy or a webhook,
// or of a Role by its rules; "" of others, which say it themselves.
func deniedHint(reason string, object Ref) string {
	if escalates(reason) {
		return escalationHint
	}
	return health.DenialHint(reason, object)
}
