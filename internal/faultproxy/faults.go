package faultproxy

import (
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// CutBefore ends the connection, with all that is on it, and sends nothing on.
func CutBefore(_ http.ResponseWriter, req *http.Request, _ http.Handler) { cut(req) }

// CutAfter sends the request on, waits for its answer (of a watch, its first event)
// and ends the connection instead of giving the answer.
func CutAfter(_ http.ResponseWriter, req *http.Request, next http.Handler) {
	next.ServeHTTP(&lost{header: http.Header{}, watch: isWatch(req), end: func() { cut(req) }}, req)
	cut(req)
}

// CutMidway gives half of the answer and ends the connection.
func CutMidway(w http.ResponseWriter, req *http.Request, next http.Handler) {
	a := record(req, next)
	maps.Copy(w.Header(), a.header) // with the length of all of it
	w.WriteHeader(a.code)
	_, _ = w.Write(a.body.Bytes()[:a.body.Len()/2])
	_ = http.NewResponseController(w).Flush()
	cut(req)
}

// ResetBefore ends the request's HTTP/2 stream alone, and sends nothing on.
func ResetBefore(http.ResponseWriter, *http.Request, http.Handler) { panic(http.ErrAbortHandler) }

// ResetAfter sends the request on, and ends its HTTP/2 stream instead of giving the
// answer.
func ResetAfter(_ http.ResponseWriter, req *http.Request, next http.Handler) {
	next.ServeHTTP(&lost{header: http.Header{}, watch: isWatch(req), end: func() { panic(http.ErrAbortHandler) }}, req)
	panic(http.ErrAbortHandler)
}

// Silence sends nothing on and answers nothing, until the client goes away.
func Silence(_ http.ResponseWriter, req *http.Request, _ http.Handler) { <-req.Context().Done() }

// SilenceAfter sends the request on, and does not give the answer.
func SilenceAfter(_ http.ResponseWriter, req *http.Request, next http.Handler) {
	next.ServeHTTP(&lost{header: http.Header{}, end: func() {}}, req)
	<-req.Context().Done()
}

// Delay sends the request on d later.
func Delay(d time.Duration) Fault {
	return AfterDelay(d, func(w http.ResponseWriter, req *http.Request, next http.Handler) { next.ServeHTTP(w, req) })
}

// AfterDelay lets the request meet the fault d later.
func AfterDelay(d time.Duration, fault Fault) Fault {
	return func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		t := time.NewTimer(d)
		defer t.Stop()
		select {
		case <-t.C:
			fault(w, req, next)
		case <-req.Context().Done():
		}
	}
}

// Before calls do, such as one that kills the client, and sends nothing on.
func Before(do func()) Fault {
	return func(_ http.ResponseWriter, req *http.Request, _ http.Handler) {
		do()
		cut(req)
	}
}

// After sends the request on, and calls do before its answer would be given.
func After(do func()) Fault {
	return func(_ http.ResponseWriter, req *http.Request, next http.Handler) {
		end := func() {
			do()
			cut(req)
		}
		next.ServeHTTP(&lost{header: http.Header{}, watch: isWatch(req), end: end}, req)
		end()
	}
}

// Meanwhile calls do, and then sends the request on.
func Meanwhile(do func()) Fault {
	return func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		do()
		next.ServeHTTP(w, req)
	}
}

// Answer is a failure that the API server itself words. retryAfter is in seconds; 0
// leaves the header out.
func Answer(code int, reason, message string, retryAfter int) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		status := map[string]any{
			"kind": "Status", "apiVersion": "v1", "metadata": map[string]any{}, "status": "Failure",
			"code": code, "reason": reason, "message": message,
		}
		if retryAfter > 0 {
			w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
			status["details"] = map[string]any{"retryAfterSeconds": retryAfter}
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(code)
		_ = json.NewEncoder(w).Encode(status)
	}
}

// AnswerLate sends the request on, and answers with the failure of fault all the same,
// as a server does that could not wait for its store.
func AnswerLate(fault Fault) Fault {
	return func(w http.ResponseWriter, req *http.Request, next http.Handler) {
		if !isWatch(req) {
			next.ServeHTTP(&lost{header: http.Header{}, end: func() {}}, req)
		}
		fault(w, req, next)
	}
}

// HTML is what a load balancer or a proxy on the way answers.
func HTML(code int) Fault {
	return func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, "<html><head><title>"+http.StatusText(code)+"</title></head><body>"+strings.Repeat("<p>sorry</p>", 20)+"</body></html>\n")
	}
}

// The failures that an API server words.
var (
	Unauthorized = Answer(http.StatusUnauthorized, "Unauthorized", "Unauthorized", 0)
	TooMany      = Answer(http.StatusTooManyRequests, "TooManyRequests", "too many requests, please try again later", 0)
	TooManyWait  = Answer(http.StatusTooManyRequests, "TooManyRequests", "too many requests, please try again later", 1)
	LeaderLost   = Answer(http.StatusInternalServerError, "InternalError", "etcdserver: leader changed", 0)
	Unavailable  = Answer(http.StatusServiceUnavailable, "ServiceUnavailable", "the server is currently unable to handle the request", 0)
	TimedOut     = Answer(http.StatusGatewayTimeout, "Timeout", "the server was unable to return a response in the time allotted", 0)
	WebhookDown  = Answer(http.StatusInternalServerError, "InternalError", `Internal error occurred: failed calling webhook "check.example.com": failed to call webhook: Post "https://check.example.svc:443/?timeout=10s": dial tcp 10.0.0.1:443: connect: connection refused`, 0)
	WebhookDeny  = Answer(http.StatusForbidden, "Forbidden", `admission webhook "check.example.com" denied the request: not today`, 0)
)

func cut(req *http.Request) {
	if c, ok := req.Context().Value(connKey{}).(*conn); ok {
		c.reset()
	}
	panic(http.ErrAbortHandler)
}

func isWatch(req *http.Request) bool { return req.URL.Query().Has("watch") }
