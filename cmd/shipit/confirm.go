package main

import (
	"bufio"
	"fmt"
	"strings"

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
	if !terminal(s.in) {
		return usagef("removing %s from namespace %s needs --yes where there is no terminal to ask on", what, app.Namespace)
	}
	fmt.Fprintf(s.err, "Remove %s from namespace %s? [y/N] ", what, app.Namespace)
	answer, _ := bufio.NewReader(s.in).ReadString('\n')
	if a := strings.ToLower(strings.TrimSpace(answer)); a != "y" && a != "yes" {
		return fmt.Errorf("not removed")
	}
	return nil
}
