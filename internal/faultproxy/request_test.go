package faultproxy

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		method, url, body  string
		want, state        string
		writes, group, sub string
	}{
		{method: "GET", url: "/api/v1/namespaces/a/pods", want: "list pods"},
		{method: "GET", url: "/api/v1/namespaces/a/pods?watch=true", want: "watch pods"},
		{method: "GET", url: "/api/v1/namespaces/a/pods/x/log", want: "get pods/log x", sub: "log"},
		{method: "GET", url: "/api/v1/namespaces/a", want: "get namespaces a"},
		{method: "POST", url: "/api/v1/namespaces", body: `{"metadata":{"name":"a"}}`, want: "create namespaces a", writes: "yes"},
		{method: "GET", url: "/apis", want: "GET /apis"},
		{method: "GET", url: "/version", want: "GET /version"},
		{method: "PATCH", url: "/apis/apps/v1/namespaces/a/deployments/web?dryRun=All", want: "patch deployments web (dry run)", group: "apps"},
		{method: "PATCH", url: "/apis/apps/v1/namespaces/a/deployments/web", want: "patch deployments web", group: "apps", writes: "yes"},
		{method: "DELETE", url: "/api/v1/namespaces/a/pods/x", body: `{"kind":"DeleteOptions"}`, want: "delete pods x", writes: "yes"},
		{method: "DELETE", url: "/api/v1/namespaces/a/pods/x", body: `{"dryRun":["All"]}`, want: "delete pods x (dry run)"},
		{method: "DELETE", url: "/api/v1/namespaces/a/pods", want: "deletecollection pods", writes: "yes"},
		{method: "POST", url: "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", body: "{}", want: "create selfsubjectaccessreviews", group: "authorization.k8s.io"},
		{method: "POST", url: "/api/v1/namespaces/a/secrets", body: `{"metadata":{"name":"x","labels":{"shipit.dev/state":"intent"}}}`, want: "create secrets x", state: Intent, writes: "yes"},
		{method: "GET", url: "/api/v1/namespaces/a/secrets/shipit-shop", want: "get secrets shipit-shop", state: Index},
		{method: "GET", url: "/api/v1/namespaces/a/secrets/shipit-shop-20261129-181205-0a1b2c3d", want: "get secrets shipit-shop-20261129-181205-0a1b2c3d", state: Intent},
		{method: "GET", url: "/api/v1/namespaces/a/secrets/shipit-shop-20261129-181205-0a1b2c3d-2", want: "get secrets shipit-shop-20261129-181205-0a1b2c3d-2", state: Intent},
		{method: "DELETE", url: "/api/v1/namespaces/a/secrets/shipit-shop-20261129-181205-0a1b2c3d-outcome", want: "delete secrets shipit-shop-20261129-181205-0a1b2c3d-outcome", state: Outcome, writes: "yes"},
		{method: "DELETE", url: "/apis/coordination.k8s.io/v1/namespaces/a/leases/shipit-shop-1", want: "delete leases shipit-shop-1", state: Lease, group: "coordination.k8s.io", writes: "yes"},
	} {
		req := httptest.NewRequest(tt.method, tt.url, strings.NewReader(tt.body))
		got, err := describe(req)
		if err != nil || got.String() != tt.want || got.State != tt.state || Writes(got) != (tt.writes != "") || got.Group != tt.group || got.Sub != tt.sub {
			t.Errorf("%s %s: %q, %+v, %v", tt.method, tt.url, got, got, err)
		}
		if body, err := io.ReadAll(req.Body); err != nil || string(body) != tt.body {
			t.Errorf("%s %s: the body is %q after", tt.method, tt.url, body)
		}
	}
}
