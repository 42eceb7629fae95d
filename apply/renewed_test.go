package apply

import (
	"encoding/pem"
	"fmt"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"sync/atomic"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// Credentials that run out half-way are had anew from their plugin, for what is
// asked and for what is written. Those that were never good are not.
func TestCredentialsAreRenewed(t *testing.T) {
	t.Parallel()
	var good atomic.Int32
	good.Store(1)
	asked := 0
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		asked++
		if req.Header.Get("Authorization") != fmt.Sprintf("Bearer %d", good.Load()) {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = fmt.Fprint(w, `{"kind": "Secret", "apiVersion": "v1", "metadata": {"name": "index"}}`)
	}))
	defer server.Close()
	cfg := &rest.Config{Host: server.URL, ExecProvider: &clientcmdapi.ExecConfig{
		// The plugin's nth token is n.
		Command: "sh", Args: []string{"-c", `echo >>"$0"; printf '{"kind": "ExecCredential", "apiVersion": "client.authentication.k8s.io/v1", "status": {"token": "%d"}}' $(wc -l <"$0")`, filepath.Join(t.TempDir(), "calls")},
		APIVersion: "client.authentication.k8s.io/v1", InteractiveMode: clientcmdapi.NeverExecInteractiveMode,
	}}
	cfg.CAData = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	c, err := New(cfg, Owner{App: "shop", Namespace: "shop"})
	must(t, err)
	ctx := patient(t.Context())
	get := func() error {
		_, err := c.core.Secrets("shop").Get(ctx, "index", metav1.GetOptions{})
		return err
	}
	must(t, get())
	good.Store(2)
	must(t, get())
	good.Store(3)
	must(t, repeat(ctx, func(bool) error {
		_, err := c.core.Secrets("shop").Create(ctx, &corev1.Secret{}, metav1.CreateOptions{})
		return err
	}))

	c, err = New(cfg, Owner{App: "shop", Namespace: "shop"})
	must(t, err)
	good.Store(0)
	if asked = 0; get() == nil || asked != 1 {
		t.Errorf("asked %d times with credentials that were never good", asked)
	}
}
