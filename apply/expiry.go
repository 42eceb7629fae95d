package apply

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// annotationExpires is, on the index, the time at which the first part of the app
// is over (RFC 3339): what is expired is found without reading any state.
const annotationExpires = "shipit.dev/expires"

// stay writes down how long what a project deploys stays from now on: for good
// when ttl is 0.
func (ix *index) stay(source string, ttl time.Duration) {
	if ttl == 0 {
		delete(ix.Expires, source)
		return
	}
	if ix.Expires == nil {
		ix.Expires = map[string]time.Time{}
	}
	ix.Expires[source] = time.Now().Add(ttl).UTC().Truncate(time.Second)
}

// outlives reports whether the time that is written down is not the one that a
// deploy gives now. A hundredth of it is not worth a write.
func (ix *index) outlives(source string, ttl time.Duration) bool {
	at, ends := ix.Expires[source]
	if !ends || ttl == 0 {
		return ends != (ttl > 0)
	}
	left := time.Until(at)
	return left > ttl || left < ttl-ttl/100
}

// over are the projects whose time is over. all is true when there are units of no
// other.
func (ix *index) over() (sources []string, all bool) {
	all = true
	for source, at := range ix.Expires {
		if !at.After(time.Now()) {
			sources = append(sources, source)
		}
	}
	slices.Sort(sources)
	for _, u := range ix.Units {
		all = all && slices.Contains(sources, u.Source)
	}
	return sources, all
}

// hasAny reports whether there are units of the source.
func (ix *index) hasAny(source string) bool {
	for _, u := range ix.Units {
		if u.Source == source {
			return true
		}
	}
	return false
}

// annotations are those of the index: when it is over first.
func (ix *index) annotations() map[string]string {
	if len(ix.Expires) == 0 {
		return nil
	}
	first := slices.MinFunc(slices.Collect(maps.Values(ix.Expires)), time.Time.Compare)
	return map[string]string{annotationExpires: first.Format(time.RFC3339)}
}

// prolong lets what is unchanged stay on. That it does not is no reason to fail.
func (m *mover) prolong(ctx context.Context) {
	source := m.c.owner.Source
	if m.releases != nil || m.snap.version == "" || !m.snap.outlives(source, m.ttl) {
		return
	}
	snap, err := store{m.c}.swap(ctx, m.snap, func(ix *index) error {
		ix.stay(source, m.ttl)
		return nil
	})
	if err != nil {
		m.em.emit(Event{Kind: EventWarning, Err: err, Message: "the time at which it expires could not be moved"})
		return
	}
	m.snap = snap
}

// ExpiredApp is an app whose time is over, or what one project deployed of it.
type ExpiredApp struct {
	App, Namespace string
	Source         string // "" is the whole app
	At             time.Time
}

// Expired lists what is over (Request.TTL) in a namespace, or in all when it is "",
// by namespace and app. What it found is valid even with an error: some states may
// be unreadable.
func Expired(ctx context.Context, cfg *rest.Config, namespace string) ([]ExpiredApp, error) {
	ctx = quiet(ctx)
	c, err := New(cfg, Owner{App: "shipit", Namespace: cmp.Or(namespace, metav1.NamespaceDefault)})
	if err != nil {
		return nil, err
	}
	list, err := c.metadata.Resource(secretsOf).Namespace(namespace).List(ctx, metav1.ListOptions{LabelSelector: labelState + "=index"})
	if err != nil {
		return nil, c.typed(err, Ref{APIVersion: "v1", Kind: "Secret", Namespace: namespace}, nil)
	}
	var out []ExpiredApp
	var unread []error
	for _, found := range list.Items {
		at, err := time.Parse(time.RFC3339, found.Annotations[annotationExpires])
		if err != nil || at.After(time.Now()) {
			continue
		}
		of := *c
		of.owner.App, of.owner.Namespace = found.Labels[labelApp], found.Namespace
		snap, err := store{&of}.read(ctx)
		if err != nil {
			unread = append(unread, err)
			continue
		}
		sources, all := snap.over()
		if all && len(sources) > 0 {
			out = append(out, ExpiredApp{App: of.owner.App, Namespace: of.owner.Namespace, At: at})
			continue
		}
		for _, source := range sources {
			out = append(out, ExpiredApp{App: of.owner.App, Namespace: of.owner.Namespace, Source: source, At: snap.Expires[source]})
		}
	}
	slices.SortFunc(out, func(a, b ExpiredApp) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.App, b.App), cmp.Compare(a.Source, b.Source))
	})
	return out, errors.Join(unread...)
}

// errRenewed ends a deletion of what is expired: it was deployed again.
var errRenewed = errors.New("it was deployed again meanwhile")

// stillOver is part of the first write of a deletion.
func (d *deleter) stillOver(ix *index) error {
	if !d.req.Expired {
		return nil
	}
	sources, all := ix.over()
	if d.c.owner.Source == "" && all || slices.Contains(sources, d.c.owner.Source) {
		return nil
	}
	return errRenewed
}
