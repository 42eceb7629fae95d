// Queue keeps jobs in a file until they are done. A job that was taken and not
// done within the lease is given to somebody else.
//
//	POST   /jobs       puts the body into the queue, and answers with its job
//	POST   /jobs/next  takes a job, waiting for one for 10 seconds; 204 is none
//	DELETE /jobs/{id}  says that it is done
//	GET    /jobs       counts them
package main

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"slices"
	"strconv"
	"sync"
	"time"

	"example.com/worker/internal/kit"
)

const (
	patience = 10 * time.Second
	lease    = 30 * time.Second
)

func main() {
	kit.Main(func(ctx context.Context) error {
		q, err := open("/data/jobs.json")
		if err != nil {
			return err
		}
		return kit.Serve(ctx, q.routes(ctx))
	})
}

type queue struct {
	file string
	mu   sync.Mutex
	news chan struct{} // closed when there is something new
	kept
}

// kept is what the file has.
type kept struct {
	Last, Done int
	Jobs       []kit.Job
	taken      map[int]time.Time
}

func open(file string) (*queue, error) {
	q := &queue{file: file, news: make(chan struct{})}
	data, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(data, &q.kept)
	} else if os.IsNotExist(err) {
		err = nil
	}
	q.taken = map[int]time.Time{}
	return q, err
}

// save replaces the file whole; it is called with the lock held.
func (q *queue) save() error {
	data, err := json.Marshal(q.kept)
	if err != nil {
		return err
	}
	if err := os.WriteFile(q.file+".new", data, 0o600); err != nil {
		return err
	}
	return os.Rename(q.file+".new", q.file)
}

func (q *queue) routes(ctx context.Context) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /readyz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("POST /jobs", func(w http.ResponseWriter, r *http.Request) {
		what, err := io.ReadAll(io.LimitReader(r.Body, 1<<16))
		if err == nil {
			var job kit.Job
			job, err = q.put(string(what))
			answer(w, job, err)
			return
		}
		answer(w, nil, err)
	})
	mux.HandleFunc("POST /jobs/next", func(w http.ResponseWriter, r *http.Request) {
		waiting, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		defer context.AfterFunc(ctx, cancel)() // who waits must not keep us from stopping
		if job, ok := q.take(waiting); ok {
			answer(w, job, nil)
			return
		}
		w.WriteHeader(http.StatusNoContent)
	})
	mux.HandleFunc("DELETE /jobs/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, err := strconv.Atoi(r.PathValue("id"))
		if err == nil {
			err = q.done(id)
		}
		answer(w, nil, err)
	})
	mux.HandleFunc("GET /jobs", func(w http.ResponseWriter, _ *http.Request) {
		q.mu.Lock()
		defer q.mu.Unlock()
		answer(w, map[string]int{"waiting": len(q.Jobs) - len(q.taken), "taken": len(q.taken), "done": q.Done}, nil)
	})
	return mux
}

func answer(w http.ResponseWriter, value any, err error) {
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	} else if value != nil {
		_ = json.NewEncoder(w).Encode(value)
	}
}

func (q *queue) put(what string) (kit.Job, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.Last++
	job := kit.Job{ID: q.Last, What: what}
	q.Jobs = append(q.Jobs, job)
	close(q.news)
	q.news = make(chan struct{})
	return job, q.save()
}

// take waits for a job that nobody has.
func (q *queue) take(ctx context.Context) (kit.Job, bool) {
	for {
		job, ok, news := q.free(time.Now())
		if ok {
			return job, true
		}
		select {
		case <-news:
		case <-ctx.Done():
			return kit.Job{}, false
		}
	}
}

func (q *queue) free(now time.Time) (kit.Job, bool, <-chan struct{}) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for _, job := range q.Jobs {
		if now.After(q.taken[job.ID]) {
			q.taken[job.ID] = now.Add(lease)
			return job, true, nil
		}
	}
	return kit.Job{}, false, q.news
}

func (q *queue) done(id int) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	before := len(q.Jobs)
	q.Jobs = slices.DeleteFunc(q.Jobs, func(j kit.Job) bool { return j.ID == id })
	delete(q.taken, id)
	q.Done += before - len(q.Jobs)
	return q.save()
}
