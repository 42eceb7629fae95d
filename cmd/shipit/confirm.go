package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/schema"
)

// confirmDelete asks a person before anything is removed. Without a terminal
// there is nobody to ask, so --yes is needed.
func confirmDelete(s streams, app *schema.App, services []string) error {
	what := "app " + app.Name + " and its history"
	if app.Source != "" {
		what = fmt.Sprintf("all of app %s that the project %s deployed, with its history,", app.Name, app.Source)
	}
	if len(services) > 0 {
		what = strings.Join(services, ", ") + " of app " + app.Name
	}
	return confirm(s, fmt.Sprintf("removing %s from namespace %s", what, app.Namespace), fmt.Sprintf("Remove %s from namespace %s?", what, app.Namespace), "not removed")
}

// confirmProtected asks before anything changes in an environment that is protected: by
// the project, or by the one that was deployed last, as a change may take that word out
// and deploy itself. A sandbox that is asked for is none.
func confirmProtected(ctx context.Context, s streams, client *apply.Client, app *schema.App, t *target, yes bool) error {
	if yes || t.registry != "" {
		return nil
	}
	environment, since := app.Environment, ""
	if !app.Protected {
		var err error
		if environment, err = client.Protected(ctx); err != nil || environment == "" {
			return err
		}
		since = " since its last deploy"
	}
	where := fmt.Sprintf("app %s in the environment %s, which is protected%s (%s, namespace %s)", app.Name, environment, since, t.label, app.Namespace)
	return confirm(s, "changing "+where, "Change "+where+"?", "not changed")
}

// confirm asks a person; where there is nobody to ask, --yes has to say it.
func confirm(s streams, doing, question, refused string) error {
	if !terminal(s.in) {
		return usageError{hinted{fmt.Errorf("%s needs --yes where there is no terminal to ask on", doing), ""}}
	}
	printTo(s.err, cell, "%s [y/N] ", question)
	answer, _ := bufio.NewReader(s.in).ReadString('\n')
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return errors.New(refused)
	}
	return nil
}
