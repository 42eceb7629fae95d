package apply

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/shipit-dev/shipit/apply/health"
)

// LogsRequest says whose log lines are wanted.
type LogsRequest struct {
	Unit      string
	Container string        // empty: all containers, init containers too
	Follow    bool          // go on with later lines, and with pods that come later
	Previous  bool          // of the instance before the one that runs, or the last if none does; Follow is ignored then
	Tail      *int64        // the last lines of each container; nil is all
	Since     time.Duration // only lines that are newer; 0 is all
}

// LogLine is one line of a container, without its end.
type LogLine struct{ Pod, Container, Text string }

// UnknownContainerError says that no pod of the unit has the container.
type UnknownContainerError struct {
	Unit, Container string
	Known           []string
}

func (e *UnknownContainerError) Error() string {
	return fmt.Sprintf("%s has no container %q (there are: %s)", e.Unit, e.Container, strings.Join(e.Known, ", "))
}

// NoPreviousError says that no container of the unit was restarted.
type NoPreviousError struct{ Unit string }

func (e *NoPreviousError) Error() string {
	return fmt.Sprintf("no container of %s was restarted: there is no previous log", e.Unit)
}

// maxLine is where a line that does not end is cut.
const maxLine = 1 << 20

// Logs passes the log lines of a unit's pods, without the values of the app's
// Secrets, as far as one may read them, to sink, on the caller's goroutine:
// pod after pod, or as they come when they are followed, which ends with ctx and
// is no error then. Errors: *NothingDeployedError, *UnknownUnitError,
// *UnknownContainerError, *NoPreviousError, and those of the API server.
func (c *Client) Logs(ctx context.Context, req LogsRequest, sink func(LogLine)) error {
	ctx = quiet(ctx)
	pods, err := c.podsOf(ctx, req.Unit)
	if err != nil {
		return err
	}
	c.knowDeployed(ctx)
	if err := knownContainer(req, pods); err != nil {
		return err
	}
	if req.Follow && !req.Previous {
		return c.follow(ctx, req, sink)
	}
	found := false
	for _, p := range pods {
		for _, name := range containersOf(p, req.Container) {
			o := req.options()
			if s := health.ContainerStatus(p, name); req.Previous && s != nil && s.RestartCount > 0 && s.State.Running == nil {
				o.Previous = false // what ended last is not the previous one yet
			}
			_, err := c.readLog(ctx, p.Name, name, o, time.Time{}, func(text string) error {
				found = true
				sink(LogLine{p.Name, name, text})
				return nil
			})
			if err != nil && !noLog(err) {
				return c.typed(err, Ref{APIVersion: "v1", Kind: "Pod", Namespace: p.Namespace, Name: p.Name}, nil)
			}
			found = found || err == nil
		}
	}
	if req.Previous && !found {
		return &NoPreviousError{Unit: req.Unit}
	}
	return nil
}

// podsOf lists the unit's pods, oldest first. A unit without pods must be one of
// the app's.
func (c *Client) podsOf(ctx context.Context, unit string) ([]*corev1.Pod, error) {
	list, err := c.core.Pods(c.owner.Namespace).List(ctx, metav1.ListOptions{LabelSelector: c.selector()})
	if err != nil {
		return nil, c.typed(err, Ref{APIVersion: "v1", Kind: "Pod", Namespace: c.owner.Namespace}, nil)
	}
	var out []*corev1.Pod
	for i := range list.Items {
		if p := &list.Items[i]; unitOf(p) == unit {
			out = append(out, p)
		}
	}
	slices.SortFunc(out, func(a, b *corev1.Pod) int {
		if c := a.CreationTimestamp.Compare(b.CreationTimestamp.Time); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	if len(out) > 0 {
		return out, nil
	}
	snap, err := store{c}.read(ctx)
	var forbidden *ForbiddenError
	if errors.As(err, &forbidden) {
		return nil, nil
	}
	if err == nil {
		_, err = c.named(&snap.index, []string{unit})
	}
	return nil, err
}

func knownContainer(req LogsRequest, pods []*corev1.Pod) error {
	if req.Container == "" || len(pods) == 0 {
		return nil
	}
	e := &UnknownContainerError{Unit: req.Unit, Container: req.Container}
	for _, p := range pods {
		for _, name := range containersOf(p, "") {
			if name == req.Container {
				return nil
			}
			if !slices.Contains(e.Known, name) {
				e.Known = append(e.Known, name)
			}
		}
	}
	return e
}

// containersOf are the names of p's containers, in the order in which they start,
// or only the one that is wanted.
func containersOf(p *corev1.Pod, only string) []string {
	var out []string
	for _, c := range slices.Concat(p.Spec.InitContainers, p.Spec.Containers) {
		if only == "" || c.Name == only {
			out = append(out, c.Name)
		}
	}
	return out
}

func (r LogsRequest) options() corev1.PodLogOptions {
	o := corev1.PodLogOptions{Previous: r.Previous, TailLines: r.Tail}
	if r.Since > 0 {
		o.SinceSeconds = ptrTo(max(1, int64(r.Since/time.Second)))
	}
	return o
}

// noLog reports whether the container has none, yet or any more.
func noLog(err error) bool { return apierrors.IsBadRequest(err) || apierrors.IsNotFound(err) }

// noContainer is what the kubelet gives as the log of a container that it has
// removed meanwhile.
const noContainer = "unable to retrieve container logs for "

// readLog passes the lines of one container that are newer than after, and
// returns when the last one was written.
func (c *Client) readLog(ctx context.Context, pod, container string, o corev1.PodLogOptions, after time.Time, line func(string) error) (time.Time, error) {
	o.Container, o.Timestamps = container, true
	if !after.IsZero() {
		// The server knows seconds only; what is older is dropped below.
		o.SinceTime, o.SinceSeconds, o.TailLines = &metav1.Time{Time: after}, nil, nil
	}
	stream, err := c.core.Pods(c.owner.Namespace).GetLogs(pod, &o).Stream(ctx)
	if err != nil {
		return after, err
	}
	defer stream.Close()
	last := after
	r := bufio.NewReaderSize(stream, 64<<10)
	for {
		text, err := readLine(r)
		if text != "" {
			stamp, rest, _ := strings.Cut(text, " ")
			at, malformed := time.Parse(time.RFC3339Nano, stamp)
			if malformed != nil {
				at, rest = time.Time{}, text
			}
			if strings.HasPrefix(text, noContainer) {
				return last, nil
			}
			if at.IsZero() || after.IsZero() || at.After(after) {
				if err := line(c.secrets.Text(strings.ToValidUTF8(rest, "�"))); err != nil {
					return last, err
				}
				if at.After(last) {
					last = at
				}
			}
		}
		if errors.Is(err, io.EOF) {
			return last, nil
		}
		if err != nil {
			return last, err
		}
	}
}

// readLine reads to the end of a line, or as much of it as is kept.
func readLine(r *bufio.Reader) (string, error) {
	var b []byte
	for {
		part, err := r.ReadSlice('\n')
		if len(b) < maxLine {
			b = append(b, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return strings.TrimRight(string(b), "\r\n"), err
		}
	}
}
