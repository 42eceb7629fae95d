package main

import (
	"errors"

	"github.com/shipit-dev/shipit/apply"
)

// anonymous is how an API server calls whose credentials it did not take for any.
const anonymous = "system:anonymous"

// hint returns what to do about err, or "". Libraries say what is wrong; which
// command to type next is known here.
func hint(err error) string {
	var (
		hinter    interface{ Hint() string }
		plugin    *apply.PluginError
		reach     *apply.UnreachableError
		auth      *apply.UnauthorizedError
		forbidden *apply.ForbiddenError
		notOurs   *apply.NotOursError
		locked    *apply.LockedError
		newer     *apply.NewerFormatError
	)
	switch {
	case errors.Is(err, errNoSandbox):
		return "build it with `make sandbox`, or name it in SHIPIT_SANDBOX"
	case errors.As(err, &plugin):
		return plugin.Hint()
	case errors.As(err, &reach):
		return "is the cluster running, and is this its address? --context names another one; a sandbox is started with shipit sandbox up"
	case errors.As(err, &auth), errors.As(err, &forbidden) && forbidden.User == anonymous:
		return "the credentials may have expired: log in again, or name others with --context"
	case errors.As(err, &forbidden):
		return "ask for a Role that allows it, or deploy as somebody else with --as or --context"
	case errors.As(err, &notOurs) && notOurs.Hint() == "":
		return "give the service another name, deploy to another namespace with -n, or remove the object"
	case errors.As(err, &locked):
		return "wait for it with --lock-wait 5m"
	case errors.As(err, &newer):
		return "install a newer shipit"
	case errors.As(err, &hinter):
		return hinter.Hint()
	}
	return ""
}
