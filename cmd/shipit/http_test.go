package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// httpRequest asks the URL in FILE: `http METHOD FILE PATH [BODY]`, as whoever
// TOKEN is. It prints the answer, and fails when its status is not 2xx.
func httpRequest(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 3 || len(args) > 4 {
		ts.Fatalf("usage: http METHOD FILE PATH [BODY]")
	}
	out := ts.Stdout()
	answer, err := ask(ts, args)
	fmt.Fprintf(out, "%s", answer)
	ts.Check(err)
}

// eventually asks again until the answer matches:
// `eventually REGEXP http METHOD FILE PATH [BODY]`.
func eventually(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 5 || args[1] != "http" {
		ts.Fatalf("usage: eventually REGEXP http METHOD FILE PATH [BODY]")
	}
	out := ts.Stdout()
	var answer string
	matches(ts, args[0], func() string {
		var err error
		if answer, err = ask(ts, args[2:]); err != nil {
			return err.Error()
		}
		return answer
	})
	fmt.Fprintf(out, "%s", answer)
}

func ask(ts *testscript.TestScript, args []string) (string, error) {
	body := ""
	if len(args) == 4 {
		body = args[3]
	}
	url := strings.TrimSpace(ts.ReadFile(args[1])) + args[2]
	req, err := http.NewRequest(args[0], url, strings.NewReader(body))
	ts.Check(err)
	if token := ts.Getenv("TOKEN"); token != "" {
		req.Header.Set("Authorization", "Bearer "+token)
	}
	client := http.Client{Timeout: time.Minute, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", args[0], url, resp.Status, answer)
	}
	return string(answer), err
}

// field puts a field of the JSON object in FILE into a variable: `field FILE
// NAME VARIABLE`.
func field(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: field FILE NAME VARIABLE")
	}
	var object map[string]any
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &object))
	value, ok := object[args[1]].(string)
	if !ok {
		ts.Fatalf("no string %q in %v", args[1], object)
	}
	ts.Setenv(args[2], value)
}

// see asks the URL in FILE until there is an answer, which must match as a whole:
// `see FILE PATH REGEXP`.
func see(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 3 {
		ts.Fatalf("usage: see FILE PATH REGEXP")
	}
	re, err := regexp.Compile("(?s)^(?:" + args[2] + ")\\s*$")
	ts.Check(err)
	var answer string
	matches(ts, "^$", func() string {
		if answer, err = ask(ts, []string{http.MethodGet, args[0], args[1]}); err != nil {
			return err.Error()
		}
		return ""
	})
	if !re.MatchString(answer) {
		ts.Fatalf("%s is %q, which is not %s", args[1], answer, args[2])
	}
}
