package faultproxy

import (
	"io"
	"net/http"
)

// WatchClosed ends a watch without an event, as the API server does now and then.
func WatchClosed(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
}

// WatchMute opens a watch and says nothing on it, until the client goes away: what
// becomes of one whose connection a middlebox forgot.
func WatchMute(w http.ResponseWriter, req *http.Request, _ http.Handler) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(http.StatusOK)
	_ = http.NewResponseController(w).Flush()
	<-req.Context().Done()
}

const expired = `{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version: 1 (2)","reason":"Expired","code":410}`

// WatchExpired says on an open watch that its version is too old.
func WatchExpired(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = io.WriteString(w, `{"type":"ERROR","object":`+expired+"}\n")
}

// WatchRefused says so instead of opening it.
var WatchRefused = Answer(http.StatusGone, "Expired", "too old resource version: 1 (2)", 0)
