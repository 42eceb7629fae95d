package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// In what init writes, and in the examples, an editor that has `cue lsp` completes the
// fields of a service and shows what they are: docs/editors.md.
func TestEditors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if code := run([]string{"init", "--name", "shop", dir}, streams{in: strings.NewReader(""), out: io.Discard, err: io.Discard}); code != exitDone {
		t.Fatalf("init: exit code %d", code)
	}
	hello, err := os.MkdirTemp(dir, "hello")
	if err == nil {
		err = os.CopyFS(hello, os.DirFS("../../examples/hello"))
	}
	if err != nil {
		t.Fatal(err)
	}
	editor := startEditor(t, dir)
	for file, below := range map[string]string{
		filepath.Join(dir, "shop.cue"):    "\tservices: web: v1.#Service & {\n",
		filepath.Join(hello, "hello.cue"): "services: hello: v1.#Service & {\n",
	} {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		at := strings.Index(string(data), below)
		if at < 0 {
			t.Fatalf("%s has no %q", file, below)
		}
		at += len(below)
		text := string(data[:at]) + "replicas: 2\n" + string(data[at:])
		line := strings.Count(text[:at], "\n")
		editor.open(file, text)
		var labels []string
		for _, item := range editor.complete(file, line) {
			labels = append(labels, item.Label)
		}
		all := strings.Join(labels, " ") + " "
		for _, field := range []string{"image", "build", "probes", "secrets", "volumes", "autoscale"} {
			if !strings.Contains(all, field+" ") {
				t.Errorf("%s: %s is not completed, of %d: %s", filepath.Base(file), field, len(labels), all)
			}
		}
		if about := editor.hover(file, line); !strings.Contains(about, "how many pods") {
			t.Errorf("%s: of replicas it shows %q", filepath.Base(file), about)
		}
	}
}

// editor speaks the language server protocol with `cue lsp`
// (https://microsoft.github.io/language-server-protocol).
type editor struct {
	t   *testing.T
	in  io.Writer
	out *bufio.Reader
	id  int
}

type completion struct {
	Label string `json:"label"`
}

func startEditor(t *testing.T, dir string) *editor {
	t.Helper()
	program, err := exec.LookPath("cue") // this program, by testscript.Main
	if err != nil {
		self, err := os.Executable()
		if err != nil {
			t.Fatal(err)
		}
		program = filepath.Join(t.TempDir(), "cue")
		if err := os.Symlink(self, program); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), program, "lsp")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CUE_CACHE_DIR="+t.TempDir())
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	e := &editor{t: t, in: in, out: bufio.NewReader(out)}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	uri := "file://" + dir
	e.ask("initialize", map[string]any{
		"rootUri": uri, "workspaceFolders": []any{map[string]any{"uri": uri, "name": "shop"}},
		"capabilities": map[string]any{"textDocument": map[string]any{"hover": map[string]any{"contentFormat": []string{"markdown"}}}},
	}, nil)
	e.send("initialized", nil, map[string]any{})
	return e
}

func (e *editor) open(file, text string) {
	e.t.Helper()
	e.send("textDocument/didOpen", nil, map[string]any{"textDocument": map[string]any{"uri": "file://" + file, "languageId": "cue", "version": 1, "text": text}})
}

// place is just behind the first letter of a line.
func place(file string, line int) map[string]any {
	return map[string]any{"textDocument": map[string]any{"uri": "file://" + file}, "position": map[string]any{"line": line, "character": 1}}
}

func (e *editor) complete(file string, line int) []completion {
	e.t.Helper()
	var list struct {
		Items []completion `json:"items"`
	}
	e.ask("textDocument/completion", place(file, line), &list)
	return list.Items
}

func (e *editor) hover(file string, line int) string {
	e.t.Helper()
	var about struct {
		Contents struct {
			Value string `json:"value"`
		} `json:"contents"`
	}
	e.ask("textDocument/hover", place(file, line), &about)
	return about.Contents.Value
}

// ask sends a request and waits for its answer.
func (e *editor) ask(method string, params, answer any) {
	e.t.Helper()
	e.id++
	e.send(method, e.id, params)
	for {
		var m struct {
			ID     json.RawMessage `json:"id"`
			Method string          `json:"method"`
			Params struct {
				Items []any `json:"items"`
			} `json:"params"`
			Result json.RawMessage `json:"result"`
			Error  json.RawMessage `json:"error"`
		}
		header, err := textproto.NewReader(e.out).ReadMIMEHeader()
		if err != nil {
			e.t.Fatalf("%s: %v", method, err)
		}
		length, err := strconv.Atoi(header.Get("Content-Length"))
		if err != nil {
			e.t.Fatal(err)
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(e.out, body); err != nil {
			e.t.Fatal(err)
		}
		if err := json.Unmarshal(body, &m); err != nil {
			e.t.Fatal(err)
		}
		switch {
		case m.Method != "" && m.ID != nil: // it asks for settings, of which there are none
			e.write(map[string]any{"jsonrpc": "2.0", "id": m.ID, "result": make([]any, len(m.Params.Items))})
		case m.Method == "" && string(m.ID) == strconv.Itoa(e.id):
			if m.Error != nil {
				e.t.Fatalf("%s: %s", method, m.Error)
			}
			if answer != nil {
				if err := json.Unmarshal(m.Result, answer); err != nil {
					e.t.Fatalf("%s: %v: %s", method, err, m.Result)
				}
			}
			return
		}
	}
}

func (e *editor) send(method string, id, params any) {
	e.t.Helper()
	m := map[string]any{"jsonrpc": "2.0", "method": method, "params": params}
	if id != nil {
		m["id"] = id
	}
	e.write(m)
}

func (e *editor) write(m any) {
	e.t.Helper()
	data, err := json.Marshal(m)
	if err == nil {
		_, err = fmt.Fprintf(e.in, "Content-Length: %d\r\n\r\n%s", len(data), data)
	}
	if err != nil {
		e.t.Fatal(err)
	}
}
