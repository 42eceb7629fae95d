package schema

// unignored gives the errors that the project does not silence, and remembers the
// others.
func (a *App) unignored(errs Errors) Errors {
	return errs
}
