package apply

import (
	"context"
	"encoding/base64"
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
)

// knowSecrets has the values of the Secrets among objects masked in all that is said
// and recorded from now on.
func (c *Client) knowSecrets(objects ...*unstructured.Unstructured) {
	for _, o := range objects {
		if !isSecret(o) {
			continue
		}
		data, _, _ := unstructured.NestedMap(o.Object, "data")
		for _, v := range data {
			text, _ := v.(string)
			if value, err := base64.StdEncoding.DecodeString(text); err == nil {
				c.secrets.Add(value)
			}
		}
		plain, _, _ := unstructured.NestedMap(o.Object, "stringData")
		for _, v := range plain {
			if text, ok := v.(string); ok {
				c.secrets.Add([]byte(text))
			}
		}
	}
}

// knowTargets is knowSecrets, and has what the other objects say in clear not taken
// for a secret.
func (c *Client) knowTargets(targets []target) {
	words := []string{c.owner.App, c.owner.Namespace}
	for _, t := range targets {
		words = append(words, t.unit)
		for _, o := range t.objects {
			if !isSecret(o) {
				words = wordsOf(o.Object, words)
			}
		}
		c.knowSecrets(t.objects...)
	}
	c.secrets.Public(words...)
}

// wordsOf adds the keys and the strings of v.
func wordsOf(v any, out []string) []string {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			out = wordsOf(e, append(out, k))
		}
	case []any:
		for _, e := range v {
			out = wordsOf(e, out)
		}
	case string:
		out = append(out, v)
	}
	return out
}

// knowDeployed is knowSecrets for those of the app that are there, for who tells of it
// without deploying it. Who may not read them masks what it knows.
func (c *Client) knowDeployed(ctx context.Context) {
	if c.deployed.Load() {
		return
	}
	list, err := c.core.Secrets(c.owner.Namespace).List(ctx, metav1.ListOptions{LabelSelector: c.selector()})
	if err != nil {
		return
	}
	c.secrets.Public(c.owner.App, c.owner.Namespace)
	for _, s := range list.Items {
		for _, value := range s.Data {
			c.secrets.Add(value)
		}
	}
	c.deployed.Store(true)
}

// knowConfig has what a configuration authenticates with masked.
func (c *Client) knowConfig(cfg *rest.Config) {
	c.secrets.Add([]byte(cfg.BearerToken), []byte(cfg.Password), cfg.KeyData)
	c.secrets.AddURL(cfg.Host)
}

// maskedError says what another error says, without the values of secrets.
type maskedError struct {
	text string
	err  error
}

func (e *maskedError) Error() string { return e.text }
func (e *maskedError) Unwrap() error { return e.err }

// Hint is the other one's.
func (e *maskedError) Hint() string {
	var hinting interface{ Hint() string }
	if errors.As(e.err, &hinting) {
		return hinting.Hint()
	}
	return ""
}

// masked is err without the values of secrets, in its own text and in those of the
// errors that it is made of.
func (c *Client) masked(err error) error {
	if err == nil || c.secrets.Text(err.Error()) == err.Error() {
		return err
	}
	var status *apierrors.StatusError
	switch e := err.(type) {
	case *DeniedError:
		out := *e
		out.Reason, out.Err = c.secrets.Text(e.Reason), c.masked(e.Err)
		return &out
	case *InvalidError:
		out := *e
		out.Field, out.Err = c.secrets.Text(e.Field), c.masked(e.Err)
		return &out
	case *UnreachableError:
		out := *e
		out.Err = c.masked(e.Err)
		return &out
	case *RolloutError:
		out := *e
		out.Err = c.masked(e.Err)
		return &out
	case *PreflightError:
		return err // its diagnoses are masked
	case *ConflictError:
		out := *e
		out.Field = c.secrets.Text(e.Field)
		if value, ok := e.Value.(string); ok {
			out.Value = c.secrets.Text(value)
		}
		return &out
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok && errors.Join(joined.Unwrap()...).Error() == err.Error() {
		var all []error
		for _, e := range joined.Unwrap() {
			all = append(all, c.masked(e))
		}
		return errors.Join(all...)
	}
	if errors.As(err, &status) && err == error(status) {
		out := status.ErrStatus.DeepCopy()
		out.Message = c.secrets.Text(out.Message)
		for i := range causesOf(out) {
			cause := &out.Details.Causes[i]
			cause.Message, cause.Field = c.secrets.Text(cause.Message), c.secrets.Text(cause.Field)
		}
		return &apierrors.StatusError{ErrStatus: *out}
	}
	return &maskedError{c.secrets.Text(err.Error()), err}
}

func causesOf(s *metav1.Status) []metav1.StatusCause {
	if s.Details == nil {
		return nil
	}
	return s.Details.Causes
}

// maskDiagnosis masks what a diagnosis quotes.
func (c *Client) maskDiagnosis(d *Diagnosis) {
	if d == nil {
		return
	}
	d.Message, d.Hint = c.secrets.Text(d.Message), c.secrets.Text(d.Hint)
	d.Logs, d.Events = c.secrets.Lines(d.Logs), c.secrets.Lines(d.Events)
}

// maskStatus masks what a status quotes.
func (c *Client) maskStatus(ctx context.Context, s *UnitStatus) {
	for i := range s.Tasks {
		if t := &s.Tasks[i]; t.Message != "" {
			c.knowDeployed(ctx)
			t.Message = c.secrets.Text(t.Message)
		}
	}
	if s.Message != "" {
		c.knowDeployed(ctx)
		s.Message = c.secrets.Text(s.Message)
	}
	c.maskDiagnosis(s.Diagnosis)
}

// maskedDiagnosis is d as a sink, a record or a report gets it: d may be in use.
func (c *Client) maskedDiagnosis(d *Diagnosis) *Diagnosis {
	if d == nil {
		return nil
	}
	out := *d
	c.maskDiagnosis(&out)
	return &out
}

// maskedEvent is ev as a sink gets it.
func (c *Client) maskedEvent(ev Event) Event {
	ev.Message, ev.Err, ev.Diagnosis = c.secrets.Text(ev.Message), c.masked(ev.Err), c.maskedDiagnosis(ev.Diagnosis)
	ev.Fields = c.secrets.Lines(ev.Fields)
	return ev
}

// maskedResult is how a call ended as its caller gets it.
func (c *Client) maskedResult(r *Result, err error) (*Result, error) {
	if r != nil {
		for i := range r.Units {
			u := &r.Units[i]
			u.Diagnosis = c.maskedDiagnosis(u.Diagnosis)
			for j := range u.Objects {
				u.Objects[j].Err = c.masked(u.Objects[j].Err)
			}
		}
	}
	var rollout *RolloutError
	if errors.As(err, &rollout) {
		for _, d := range rollout.Diagnoses {
			c.maskDiagnosis(d)
		}
	}
	var preflight *PreflightError
	if errors.As(err, &preflight) {
		for _, d := range preflight.Diagnoses {
			c.maskDiagnosis(d)
		}
	}
	return r, c.masked(err)
}
