package kit

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
)

const maxBody = 1 << 20

// Error is an answer that is no success: a status for programs and a sentence
// for people. On the wire it is {"error": "the sentence"}.
type Error struct {
	Status  int    `json:"-"`
	Message string `json:"error"`
}

func (e *Error) Error() string { return e.Message }

// Errorf makes an Error.
func Errorf(status int, format string, args ...any) *Error {
	return &Error{Status: status, Message: fmt.Sprintf(format, args...)}
}

// StatusOf is the status of the Error in err; 0 when there is none.
func StatusOf(err error) int {
	var e *Error
	if errors.As(err, &e) {
		return e.Status
	}
	return 0
}

// Decode reads the JSON body of a request. A field that into does not have is
// an error: a misspelt one would else be ignored.
func Decode(r *http.Request, into any) error {
	body, err := io.ReadAll(r.Body)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return Errorf(http.StatusRequestEntityTooLarge, "the request is larger than %d bytes", tooLarge.Limit)
	case err != nil:
		return Errorf(http.StatusBadRequest, "reading the request: %v", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(body))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		return Errorf(http.StatusBadRequest, "the request is not the JSON it should be: %v", err)
	}
	return nil
}

// writeError tells an *Error to the caller. What else went wrong is for the log:
// it may hold what is none of the caller's business.
func writeError(w http.ResponseWriter, r *http.Request, err error) {
	var known *Error
	switch {
	case errors.As(err, &known):
	case errors.Is(err, context.DeadlineExceeded):
		known = Errorf(http.StatusGatewayTimeout, "it took too long")
	default:
		known = Errorf(http.StatusInternalServerError, "something went wrong here; the log of request %s has more", Request(r.Context()))
	}
	if known.Status >= 500 && r.URL.Path != "/readyz" {
		Log(r.Context()).Error(err.Error())
	}
	writeJSON(w, known.Status, known)
}

func writeJSON(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil { // only values that this shop defines come here
		panic(err)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(body, '\n')) // a caller that has gone needs no answer
}
