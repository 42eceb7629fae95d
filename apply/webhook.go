package apply

import (
	"fmt"
	"regexp"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// webhookSaid is how the API server says which webhook did not answer. It has no code
// of its own for that.
var webhookSaid = regexp.MustCompile(`failed calling webhook "([^"]+)": `)

// WebhookError says that a webhook which is to be asked about Object does not answer.
type WebhookError struct {
	Object  Ref
	Webhook string
	Err     error
}

func (e *WebhookError) Error() string {
	return fmt.Sprintf("%s: webhook %s does not answer: %v", e.Object, e.Webhook, e.Err)
}
func (e *WebhookError) Unwrap() error { return e.Err }

// Hint tells who can mend it.
func (e *WebhookError) Hint() string {
	return fmt.Sprintf("deploy again when it answers; `kubectl get validatingwebhookconfigurations,mutatingwebhookconfigurations -o yaml` says under webhooks, at name: %s, which Service is asked (clientConfig), and whoever keeps it can say why it does not answer", e.Webhook)
}

// webhookDown is the error of a webhook that could not be asked; nil of others.
func webhookDown(err error, object Ref) error {
	m := webhookSaid.FindStringSubmatch(err.Error())
	if m == nil || !apierrors.IsInternalError(err) {
		return nil
	}
	return &WebhookError{Object: object, Webhook: m[1], Err: err}
}

// takenPort is the way out of a node port that another Service has; "" of all else.
func (e *InvalidError) takenPort() string {
	if e.Object.Kind != "Service" || !strings.HasSuffix(e.Field, ".nodePort") {
		return ""
	}
	return "leave the port to the cluster, or take one that is free: `kubectl get services --all-namespaces` shows under PORT(S) which Service has it"
}
