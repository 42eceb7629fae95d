package health

import (
	"strings"
	"testing"
)

// No patch helps against a quota.
func TestDeniedByQuota(t *testing.T) {
	t.Parallel()
	object := Ref{APIVersion: "apps/v1", Kind: "Deployment", Namespace: "prod", Name: "web"}
	if d := Denied(`exceeded quota: team`, object); d.Code != CodeQuotaExceeded || strings.Contains(d.Hint, "patch") {
		t.Errorf("%+v", d)
	}
}
