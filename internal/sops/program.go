package sops

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"slices"
	"strings"
	"time"
)

// Exit codes of the sops program (cmd/sops/codes in its source).
const (
	codeNoKey       = 128
	codeMACMismatch = 51
)

// byProgram decrypts with the user's own sops program, which knows every key
// service. none is why it could not be done here; nil when the file has what this
// package does not know.
func (f *File) byProgram(ctx context.Context, path string, none *NoKeyError) (*Values, error) {
	why := f.needs()
	if why == "" {
		return nil, none // it would know no better
	}
	program, err := exec.LookPath("sops")
	if err != nil {
		if none != nil && (none.Tried > 0 || len(none.Failed) > 0) {
			return nil, none
		}
		return nil, &NeedsProgramError{File: f.name, Why: why}
	}
	to := formatJSON
	if f.format == formatBinary {
		to = formatBinary
	}
	cmd := exec.CommandContext(ctx, program, "--decrypt", "--input-type", string(f.format), "--output-type", string(to), path)
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.WaitDelay = time.Second
	out, err := cmd.Output()
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, f.programError(err, said.String())
	}
	values := &Values{file: &File{name: f.name, format: f.format}}
	if to == formatBinary {
		values.file.values = []leaf{{path: []step{{name: wholeName}}}}
		values.texts = [][]byte{out}
		return values, nil
	}
	if values.file.values, err = parseJSON(out); err != nil {
		return nil, &ProgramError{File: f.name, Said: "what it prints is no JSON"}
	}
	for _, l := range values.file.values {
		var text []byte
		if l.value != nil {
			text = plainOf(l.value).text()
		}
		values.texts = append(values.texts, text)
	}
	return values, nil
}

// programError tells of a failure without words that may quote a value: only
// while it looks for a key has sops not seen one.
func (f *File) programError(err error, said string) error {
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return &ProgramError{File: f.name, Code: -1, Said: err.Error()}
	}
	e := &ProgramError{File: f.name, Code: exit.ExitCode()}
	switch e.Code {
	case codeMACMismatch:
		return &ChangedError{File: f.name}
	case codeNoKey:
		e.Said = strings.Join(strings.Fields(said), " ")
		e.Said = e.Said[:min(len(e.Said), 600)]
	}
	return e
}

// needs says what of the file only the sops program knows, or "".
func (f *File) needs() string {
	if f.rules.byComment {
		return "what of it is encrypted goes by comments"
	}
	if len(f.meta.groups) == 0 {
		return "it names no keys"
	}
	if len(f.meta.groups) > 1 {
		return "its key is shared among several groups"
	}
	var others []string
	for _, r := range f.meta.groups[0] {
		service := r.service
		if service == "age" {
			service = "an SSH key or a plugin of age"
		}
		if !r.native() && !slices.Contains(others, service) {
			others = append(others, service)
		}
	}
	if len(others) == 0 {
		return ""
	}
	return "its keys are in " + strings.Join(others, ", ")
}
