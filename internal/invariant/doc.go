// Package invariant looks at what a deploy, a rollback or a deletion left behind, and
// says what is wrong with it. It is for tests only.
//
// In goes a connection to the cluster; out comes a State, and of that what does not
// hold: the index, the records, the objects, the pods, the locks and the Leases of an app
// agree with each other. The package shares no code with the engine. It reads the state
// from its documented form (docs/deploy.md), so that a mistake of the engine's is not
// repeated by what checks it.
package invariant
