// Package apply moves rendered objects into a cluster and says how that ended.
//
// In go the objects of a set of services (Units), who owns them (Owner) and a
// client configuration. Out come a Result that is complete even on failure, and
// typed Events on the way. The package knows nothing of CUE, images or command
// lines; it never prints, reads the environment or ends the process.
//
// Objects are written by server-side apply under the field manager
// "shipit/NAMESPACE/APP", forward by force only when a Request says so, and the
// release state lives in Secrets of their own type beside them (docs/deploy.md).
//
// Whether a workload is well, and why not, package health judges by what the cluster
// says; this one asks, watches and waits.
package apply
