package schema_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	cue "cuelang.org/go/cmd/cue/cmd"
	"github.com/rogpeppe/go-internal/testscript"
	"github.com/shipit-dev/shipit/schema"
)

// TestMain lets the scripts run CUE's own command as cue.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"cue": func() { os.Exit(cue.Main()) },
		// A process of its own, as what it evaluates may end only with it.
		"evaluate": evaluate,
		"mutated":  evaluateMutated,
	})
}

// evaluate loads the project here, and exits with 3 when that is refused.
func evaluate() {
	app, err := schema.Load(context.Background(), ".", schema.Options{})
	var errs schema.Errors
	var limit *schema.LimitError
	switch {
	case errors.As(err, &limit):
		fmt.Fprintf(os.Stderr, "limit: %s\n", limit.What)
		os.Exit(3)
	case errors.As(err, &errs):
		fmt.Fprintln(os.Stderr, err)
		os.Exit(3)
	case err != nil:
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(app.Name)
}

// TestScripts runs testdata/script, with these commands of its own:
//
//	init DIR                  make a project
//	load [ENVIRONMENT]        print the services of the project here
//	replace OLD NEW FILE      replace a text in a file
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"init": func(ts *testscript.TestScript, _ bool, args []string) {
				_, err := schema.Init(ts.MkAbs(args[0]), schema.InitOptions{})
				ts.Check(err)
			},
			"load": func(ts *testscript.TestScript, neg bool, args []string) {
				app, err := schema.Load(t.Context(), ts.MkAbs("."), schema.Options{Environment: strings.Join(args, "")})
				if (err != nil) != neg {
					ts.Fatalf("load: %v", err)
				}
				if err != nil {
					fmt.Fprintln(ts.Stderr(), err)
					return
				}
				for _, s := range app.Services {
					fmt.Fprintln(ts.Stdout(), app.Name, s.Name, s.Image)
				}
			},
			"replace": func(ts *testscript.TestScript, _ bool, args []string) {
				file := ts.MkAbs(args[2])
				text := ts.ReadFile(file)
				if !strings.Contains(text, args[0]) {
					ts.Fatalf("%s has no %s", args[2], args[0])
				}
				ts.Check(os.WriteFile(file, []byte(strings.ReplaceAll(text, args[0], args[1])), 0o644))
			},
		},
	})
}
