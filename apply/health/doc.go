// Package health judges what Kubernetes says of a workload, and talks to nobody.
//
// In go objects as the API server has them: a workload with its pods (Workload),
// and where its status does not tell, the events, nodes and logs about it. Out come
// a Verdict with its Problems, each with the time that it is given to pass, and what
// the user is told at last, a Diagnosis.
//
// Evaluate looks once. Whoever waits looks again when something changes, and ends
// when a Problem has lasted for its Grace; Deadline says when at the latest. What
// the Refine and Blame functions find in events, nodes and logs completes a
// Diagnosis, and tells whether its cause is certain. The rules for what a pod needs
// (References, PodNeeds, Unfit) serve before a deploy as well.
//
// Nothing here waits, writes or keeps anything, and nothing that is given is
// changed but the Diagnosis that is to be completed.
package health
