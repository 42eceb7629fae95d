package kit

import (
	"errors"
	"fmt"
	"os"
	"strings"
)

// Env reads a service's settings from its environment and remembers what is
// not there, so that a start that must fail names all of it at once.
type Env struct{ missing []string }

// Get gives the variable called name, without the line end that a value read
// from a file may have. It is missed when it is not set.
func (e *Env) Get(name string) string {
	value := strings.TrimSpace(os.Getenv(name))
	if value == "" {
		e.missing = append(e.missing, name)
	}
	return value
}

// Client gives a Client of the service called name, at NAME_URL: the variable
// that `calls` makes.
func (e *Env) Client(name string) *Client {
	return NewClient(name, e.Get(strings.ToUpper(name)+"_URL"))
}

func (e *Env) err() error {
	if len(e.missing) == 0 {
		return nil
	}
	return fmt.Errorf("not set in the environment: %s", strings.Join(e.missing, ", "))
}

// broken reads SHOP_BREAK, by which a service is broken on purpose to see what
// a failed deploy looks like: "crash: why" is an error, "unready: why" a reason
// never to be ready.
func broken() (unready string, err error) {
	value := os.Getenv("SHOP_BREAK")
	how, why, _ := strings.Cut(value, ":")
	why = strings.TrimSpace(why)
	if why == "" {
		why = "SHOP_BREAK asked for it"
	}
	switch how {
	case "":
		return "", nil
	case "crash":
		return "", errors.New(why)
	case "unready":
		return why, nil
	default:
		return "", fmt.Errorf("SHOP_BREAK is %q: it must be \"crash: why\" or \"unready: why\"", value)
	}
}
