package faultproxy

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
)

// What a request of shipit's own state is about: the label shipit.dev/state of the
// object, or what its name says where there is no body to look into.
const (
	Index   = "index"
	Intent  = "intent"
	Outcome = "outcome"
	Lease   = "lease"
)

// Request is what the rules see of a request.
type Request struct {
	N         int    // the how-manieth of the proxy, from 1
	Verb      string // get, list, watch, create, update, patch, delete or deletecollection; of what is not a resource, the method
	Group     string
	Resource  string // in the plural, "" for discovery and the like
	Sub       string // "log", "status"
	Namespace string
	Name      string
	DryRun    bool
	State     string // Index, Intent, Outcome, Lease, or ""
	Path      string
	Fault     string // the name of the rule that fired, "" for none
}

func (r Request) String() string {
	what := r.Resource
	if what == "" {
		what = r.Path
	}
	if r.Sub != "" {
		what += "/" + r.Sub
	}
	if r.Name != "" {
		what += " " + r.Name
	}
	if r.DryRun {
		what += " (dry run)"
	}
	return r.Verb + " " + what
}

// Writes matches the requests that change something.
func Writes(r Request) bool {
	return !Asks(r) && r.Verb != "watch"
}

// Asks matches reads that end, dry runs, and reviews of what one may do.
func Asks(r Request) bool {
	return r.DryRun || r.Group == "authorization.k8s.io" || slices.Contains([]string{"get", "list", http.MethodGet}, r.Verb)
}

// Watches matches watches.
func Watches(r Request) bool { return r.Verb == "watch" }

// Of returns what matches a verb of a resource; "" is any.
func Of(verb, resource string) func(Request) bool {
	return func(r Request) bool {
		return (verb == "" || r.Verb == verb) && (resource == "" || r.Resource == resource) && r.Sub == ""
	}
}

// StateOf returns what matches requests about a part of the release state.
func StateOf(state string) func(Request) bool {
	return func(r Request) bool { return r.State == state }
}

// All returns what matches where every one of matches does.
func All(matches ...func(Request) bool) func(Request) bool {
	return func(r Request) bool {
		return !slices.ContainsFunc(matches, func(m func(Request) bool) bool { return !m(r) })
	}
}

// Not returns what matches where match does not.
func Not(match func(Request) bool) func(Request) bool {
	return func(r Request) bool { return !match(r) }
}

// describe reads a request as the API server does
// (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-uris).
func describe(req *http.Request) (Request, error) {
	r := Request{Verb: req.Method, Path: req.URL.Path}
	parts := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	switch {
	case len(parts) > 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) > 3 && parts[0] == "apis":
		r.Group, parts = parts[1], parts[3:]
	default:
		return r, nil
	}
	if parts[0] == "namespaces" && len(parts) > 2 {
		r.Namespace, parts = parts[1], parts[2:]
	}
	r.Resource = parts[0]
	if len(parts) > 1 {
		r.Name = parts[1]
	}
	if len(parts) > 2 {
		r.Sub = strings.Join(parts[2:], "/")
	}
	query := req.URL.Query()
	r.DryRun = query.Has("dryRun")
	r.Verb = verb(req.Method, r.Name, query.Has("watch"))
	labels, err := r.readBody(req)
	if err != nil {
		return r, err
	}
	r.State = r.state(labels)
	return r, nil
}

func verb(method, name string, watches bool) string {
	switch {
	case watches:
		return "watch"
	case method == http.MethodGet && name == "":
		return "list"
	case method == http.MethodDelete && name == "":
		return "deletecollection"
	}
	return map[string]string{
		http.MethodGet: "get", http.MethodPost: "create", http.MethodPut: "update",
		http.MethodPatch: "patch", http.MethodDelete: "delete",
	}[method]
}

// readBody looks into what is sent for its name, dry run (which a deletion says
// there) and labels, and puts it back.
func (r *Request) readBody(req *http.Request) (labels map[string]string, err error) {
	if req.Body == nil || req.Body == http.NoBody {
		return nil, nil
	}
	body, err := io.ReadAll(req.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the request: %w", err)
	}
	req.Body = io.NopCloser(bytes.NewReader(body))
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	var o struct {
		Metadata struct {
			Name   string            `json:"name"`
			Labels map[string]string `json:"labels"`
		} `json:"metadata"`
		DryRun []string `json:"dryRun"`
	}
	if json.Unmarshal(body, &o) != nil {
		return nil, nil // in another encoding
	}
	if r.Name == "" {
		r.Name = o.Metadata.Name
	}
	r.DryRun = r.DryRun || len(o.DryRun) > 0
	return o.Metadata.Labels, nil
}

// state is of which part of the state the request is; without labels its name says,
// as docs/deploy.md has them.
func (r Request) state(labels map[string]string) string {
	if s := labels["shipit.dev/state"]; s != "" {
		return s
	}
	rest, ours := strings.CutPrefix(r.Name, "shipit-")
	switch {
	case !ours || r.Namespace == "":
		return ""
	case r.Resource == "leases":
		return Lease
	case r.Resource != "secrets":
		return ""
	case strings.HasSuffix(rest, "-outcome"):
		return Outcome
	case deployID.MatchString(rest):
		return Intent
	}
	return Index
}
