package store

import (
	"context"
	"crypto/subtle"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"example.com/shop/internal/kit"
)

const (
	// leaseTime is how long a consumer may work on a message.
	leaseTime = 10 * time.Second
	// waitTime is how long a consumer waits for one before it asks again.
	waitTime = 15 * time.Second
)

// Tokens tell the services apart: a token by service. A bucket belongs to the
// service that it is named after. So does a queue, but as a letter box does:
// everyone may push into it, its owner alone takes out.
type Tokens map[string]string

// ReadTokens reads a directory with a file per service, as a Secret is mounted.
func ReadTokens(dir string) (Tokens, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	tokens := Tokens{}
	for _, entry := range entries {
		if strings.HasPrefix(entry.Name(), ".") { // how Kubernetes keeps its versions of the files
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, entry.Name()))
		if err != nil {
			return nil, err
		}
		token := strings.TrimSpace(string(content))
		if len(token) < 16 {
			return nil, errors.New(entry.Name() + ": a token must have at least 16 characters")
		}
		tokens[entry.Name()] = token
	}
	if len(tokens) == 0 {
		return nil, errors.New(dir + ": there are no tokens")
	}
	return tokens, nil
}

// owner is the service whose token a request shows.
func (t Tokens) owner(r *http.Request) (string, error) {
	shown, _ := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	owner := ""
	for name, token := range t {
		if subtle.ConstantTimeCompare([]byte(shown), []byte(token)) == 1 {
			owner = name
		}
	}
	if owner == "" {
		return "", kit.Errorf(http.StatusUnauthorized, "no service has this token")
	}
	return owner, nil
}

// Routes answers for the Store. Those who wait for messages are sent away when
// ctx ends.
//
//	GET  /token                       whose token this is
//	GET  /buckets/BUCKET?prefix=…     the entries of a bucket, by key
//	GET  /buckets/BUCKET/KEY          one entry
//	POST /commit                      changes, all or none: {"ops": […]}
//	POST /queues/QUEUE/leases         a message, as soon as there is one
func (s *Store) Routes(ctx context.Context, server *kit.Server, tokens Tokens) {
	own := func(pattern, name string, h kit.Handler) {
		server.Handle(pattern, func(r *http.Request) (any, error) {
			owner, err := tokens.owner(r)
			if err != nil {
				return nil, err
			}
			if r.PathValue(name) != owner {
				return nil, kit.Errorf(http.StatusForbidden, "%s %s is not %s's", name, r.PathValue(name), owner)
			}
			return h(r)
		})
	}
	server.Handle("GET /token", func(r *http.Request) (any, error) { return tokens.owner(r) })
	own("GET /buckets/{bucket}", "bucket", func(r *http.Request) (any, error) {
		return s.List(r.PathValue("bucket"), r.FormValue("prefix")), nil
	})
	own("GET /buckets/{bucket}/{key...}", "bucket", func(r *http.Request) (any, error) {
		entry := s.Get(r.PathValue("bucket"), r.PathValue("key"))
		if entry.Version == 0 {
			return nil, kit.Errorf(http.StatusNotFound, "there is no %s", r.PathValue("key"))
		}
		return entry, nil
	})
	own("POST /queues/{queue}/leases", "queue", func(r *http.Request) (any, error) {
		wait, cancel := context.WithTimeout(r.Context(), waitTime)
		defer cancel()
		defer context.AfterFunc(ctx, cancel)()
		if message := s.Lease(wait, r.PathValue("queue"), leaseTime); message != nil {
			return message, nil
		}
		return nil, nil
	})
	server.Handle("POST /commit", func(r *http.Request) (any, error) {
		owner, err := tokens.owner(r)
		if err != nil {
			return nil, err
		}
		return nil, s.commit(r, owner)
	})
}

func (s *Store) commit(r *http.Request, owner string) error {
	var request struct {
		Ops []Op `json:"ops"`
	}
	if err := kit.Decode(r, &request); err != nil {
		return err
	}
	for i, op := range request.Ops {
		if err := op.check(); err != nil {
			return err
		}
		if op.Do != "push" && op.In != owner {
			return kit.Errorf(http.StatusForbidden, "%s is not %s's", op.In, owner)
		}
		if op.Do == "push" {
			request.Ops[i].Request = kit.Request(r.Context())
		}
	}
	err := s.Commit(request.Ops)
	if errors.Is(err, ErrConflict) {
		return kit.Errorf(http.StatusConflict, "%v", err)
	}
	return err
}
