// Package chaos has no code, only the test that runs the real program through every
// fault of package faultproxy at every request of a deploy, and looks with package
// invariant whether it ended as it says.
//
// A case is SCENARIO/FAULT/N: what is done, what breaks, and at which request. `make
// chaos` tries them in an order of their own until its time is up and writes the table
// of docs/reliability.md; `make chaos CASE=upgrade/kill-after/17` tries one again, or
// those that match a pattern such as bad/503/*. `make
// test` runs a sample.
package chaos
