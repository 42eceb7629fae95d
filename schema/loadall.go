package schema

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"
)

// LoadAll loads the App in dir in each of its environments, sorted by name, or
// as it is when it has none. What is wrong is all in one error of type Errors:
// each once, with the environments that it occurs in when those are not all.
// Options.Environment counts for nothing.
func LoadAll(ctx context.Context, dir string, opts Options) ([]*App, error) {
	p, err := find(ctx, dir, opts)
	if err != nil {
		return nil, err
	}
	return within(ctx, p, opts.Limits, func() ([]*App, error) {
		inst, errs := p.instance(opts)
		if errs != nil {
			return nil, errs.sorted()
		}
		envs, known, err := p.environments(opts, inst)
		switch {
		case err != nil:
			return nil, err
		case !known:
			app, err := p.load(opts, inst, environment{})
			if err != nil {
				return nil, err
			}
			return []*App{app}, nil
		}
		if len(envs) == 0 {
			envs = []environment{{}}
		}
		apps := make([]*App, len(envs))
		failed := make([]Errors, len(envs))
		var g errgroup.Group
		g.SetLimit(runtime.GOMAXPROCS(0))
		for i, env := range envs {
			g.Go(func() (err error) {
				if err := ctx.Err(); err != nil {
					return err
				}
				defer func() {
					if r := recover(); r != nil {
						err = panicError(p, r)
					}
				}()
				inst := inst
				if i > 0 { // one is used up by each evaluation
					var errs Errors
					if inst, errs = p.instance(opts); errs != nil {
						return errs.sorted()
					}
				}
				apps[i], err = p.load(opts, inst, env)
				if errors.As(err, &failed[i]) {
					return nil
				}
				return err
			})
		}
		if err := g.Wait(); err != nil {
			return nil, err
		}
		if errs := inEnvironments(envs, failed); len(errs) > 0 {
			return nil, errs
		}
		return apps, nil
	})
}

// inEnvironments joins what is wrong in environments.
func inEnvironments(envs []environment, failed []Errors) Errors {
	type key struct {
		code          Code
		pos           Pos
		path, message string
	}
	known := map[key]*Error{}
	// What differs in numbers alone, as the environments do, is told for the first.
	alike := map[key]*Error{}
	var errs Errors
	for i, list := range failed {
		for _, e := range list {
			if toldByItself(e, envs, failed) {
				continue
			}
			k := key{e.Code, e.Pos, e.Path, e.Message}
			same := key{e.Code, e.Pos, e.Path, e.Rule + "\n" + numbers.ReplaceAllString(e.Message, "0")}
			if first := alike[same]; known[k] == nil && first != nil && e.Pos.IsValid() && !slices.Contains(first.Environments, envs[i].name) {
				if first.Environments = append(first.Environments, envs[i].name); !strings.Contains(first.Why, ownNumbers) {
					first.Why = sentence(first.Why, ownNumbers+first.Environments[0])
				}
				continue
			}
			if known[k] == nil {
				told := *e
				known[k], alike[same] = &told, &told
				errs = append(errs, &told)
			}
			known[k].Environments = append(known[k].Environments, envs[i].name)
		}
	}
	for _, e := range errs {
		if len(e.Environments) == len(envs) {
			e.Environments = nil
		}
	}
	slices.SortStableFunc(errs, inOrder)
	return errs
}

// numbers are what may differ in errors that are told once.
var numbers = regexp.MustCompile(`[0-9]+(\.[0-9]+)?`)

const ownNumbers = "these are the numbers of "

// toldByItself reports whether an error is about an environment that tells it
// too, as one about the App.
func toldByItself(e *Error, envs []environment, failed []Errors) bool {
	for i, env := range envs {
		if strings.HasPrefix(e.Path, env.path()+".") {
			return slices.ContainsFunc(failed[i], func(own *Error) bool { return own.Pos == e.Pos && own.Path != e.Path })
		}
	}
	return false
}

// where names the environments that an error occurs in, for the end of its
// message.
func (e *Error) where() string {
	switch len(e.Environments) {
	case 0:
		return ""
	case 1:
		if strings.Contains(e.Message, "environment "+e.Environments[0]) {
			return ""
		}
		return fmt.Sprintf(" (in the environment %s)", e.Environments[0])
	}
	last := len(e.Environments) - 1
	return fmt.Sprintf(" (in the environments %s and %s)", strings.Join(e.Environments[:last], ", "), e.Environments[last])
}
