package main

import (
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/shipit-dev/shipit/apply"
	"github.com/shipit-dev/shipit/internal/deploy"
	"github.com/shipit-dev/shipit/schema"
)

func newDeployCommand(s streams) *cobra.Command {
	var (
		project projectFlags
		cluster clusterFlags
		req     apply.Request
		output  string
		yes     bool
	)
	cmd := &cobra.Command{
		Use:        "deploy [SERVICE...]",
		SuggestFor: []string{"apply", "install", "upgrade", "up", "sync", "push"},
		Short:      "Build, apply, wait until healthy, or put everything back",
		Long: `Build and push what changed, apply it, and wait until it is healthy. When a
service does not become healthy, say why, and put every service back to its
last healthy release (--no-rollback leaves it). With names, only those services
are touched.`,
		Example:           "  shipit deploy --sandbox\n  shipit deploy web --context prod-eu",
		ValidArgsFunction: completeArgs(many, s.services),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(output); err != nil {
				return err
			}
			ctx := cmd.Context()
			app, err := project.checked(ctx, s, cluster.namespace())
			if err != nil {
				return err
			}
			services, err := deploy.Services(app, args)
			if err != nil {
				return err
			}
			// Some secrets are asked of a key service, which takes a while.
			var secrets deploy.Values
			g, reading := errgroup.WithContext(ctx)
			g.Go(func() (err error) {
				secrets, err = deploy.Secrets(ctx, app, services, os.LookupEnv)
				return err
			})
			cluster.start = true
			t, err := cluster.connect(reading, s, app)
			if missing := g.Wait(); missing != nil {
				return missing
			}
			if err != nil {
				return err
			}
			client, err := t.client(ctx, app)
			if err != nil {
				return err
			}
			if err := client.Reach(ctx); err != nil {
				return err
			}
			if err := confirmProtected(ctx, s, client, app, t, yes); err != nil {
				return err
			}
			app.Registry = project.registryFor(app, t)
			s.session.survive()
			s.begin(app, "to", t)
			built, err := images(ctx, s, app, services, deploy.ImageOptions{Inspect: true, Cache: imageCache(), Nodes: client.Nodes, Logins: t.logins})
			if err != nil {
				return err
			}
			if err := s.inspected(app, services, built); err != nil {
				return err
			}
			req.Only, req.TTL = args, app.TTL
			if app.Protected {
				req.Protected = app.Environment
			}
			return s.follow(app, deploying, output, func(sink func(apply.Event)) (*apply.Result, error) {
				return deploy.Run(ctx, client, app, built, secrets, req, sink)
			})
		},
	}
	project.add(cmd)
	cluster.add(cmd)
	cmd.Flags().DurationVar(&req.Timeout, "timeout", 0, "how long a service may take to become healthy (default: computed from its probes)")
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask, though the environment is protected")
	cmd.Flags().BoolVar(&req.NoRollback, "no-rollback", false, "leave a failed deploy as it is")
	cmd.Flags().BoolVar(&req.Force, "force-conflicts", false, "take fields that somebody else manages, such as a count that was scaled by hand")
	cmd.Flags().BoolVar(&req.TakeOver, "take-over", false, "take services that another project deployed until now")
	cmd.Flags().BoolVar(&req.MissingCalls, "missing-calls", false, "deploy even if a service of another app that is called is not there yet")
	addResultFlags(cmd, &req.LockWait, &output)
	return cmd
}

// begin says what goes where, before anything is done.
func (s streams) begin(app *schema.App, preposition string, t *target) {
	s.note("%s %s %s, namespace %s", app.Name, preposition, t.label, app.Namespace)
}

// nothing says that there is nothing of an app.
func (s streams) nothing(app, namespace string) {
	s.note("nothing of %s is deployed in namespace %s", app, namespace)
}

// addResultFlags adds what deploy, rollback and delete have in common.
func addResultFlags(cmd *cobra.Command, lockWait *time.Duration, output *string) {
	cmd.Flags().DurationVar(lockWait, "lock-wait", 0, "how long to wait for another deploy of the same services")
	addFormats(cmd, output, "text", "json")
}

func checkFormat(output string) error {
	if output != "text" && output != "json" {
		return usagef("-o %s: the formats are text and json", output)
	}
	return nil
}

func newRollbackCommand(s streams) *cobra.Command {
	var (
		target deployedFlags
		req    apply.RollbackRequest
		output string
		yes    bool
	)
	cmd := &cobra.Command{
		Use:        "rollback [SERVICE...]",
		SuggestFor: []string{"undo", "revert"},
		Short:      "Return to an earlier healthy release",
		Long: `Return the services named, or those that the last deploy moved, to the healthy release
before their current one; or to the one that --to names, or to the releases that a deploy
created; without names, every service of this project. shipit history lists both.

Without names, what the last deploy added is removed; its data stays. A service that was
removed is not brought back: deploy the version of the project that has it.`,
		ValidArgsFunction: completeArgs(many, s.deployed),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(output); err != nil {
				return err
			}
			if req.To != 0 && req.DeployID != "" {
				return usagef("--to and --deploy each say where to return to; give one of them")
			}
			if req.To < 0 {
				return usagef("--to %d: releases are numbered from 1", req.To)
			}
			app, t, client, err := target.find(cmd.Context(), s)
			if err != nil {
				return err
			}
			if err := confirmProtected(cmd.Context(), s, client, app, t, yes); err != nil {
				return err
			}
			req.Units = args
			s.begin(app, "in", t)
			return s.follow(app, rollingBack, output, func(sink func(apply.Event)) (*apply.Result, error) {
				return client.Rollback(cmd.Context(), req, sink)
			})
		},
	}
	target.add(cmd)
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask, though the environment is protected")
	cmd.Flags().IntVar(&req.To, "to", 0, "the release to return to (default: the healthy one before the current)")
	cmd.Flags().StringVar(&req.DeployID, "deploy", "", "the deploy whose releases to return to")
	completeFlag(cmd, "to", s.releases)
	completeFlag(cmd, "deploy", s.deploys)
	cmd.Flags().DurationVar(&req.Timeout, "timeout", 0, "how long a service may take to become healthy (default: computed from its probes)")
	cmd.Flags().BoolVar(&req.Force, "force-conflicts", false, "take fields that somebody else manages, such as a count that was scaled by hand")
	addResultFlags(cmd, &req.LockWait, &output)
	return cmd
}

func newDeleteCommand(s streams) *cobra.Command {
	var (
		target deployedFlags
		req    apply.DeleteRequest
		output string
		yes    bool
		// expired removes what is over instead of one app
		expired bool
	)
	cmd := &cobra.Command{
		Use:        "delete [SERVICE...]",
		SuggestFor: []string{"destroy", "down", "remove", "rm", "uninstall"},
		Short:      "Remove services, or the whole app, from the cluster",
		Long: `Remove the services named from the cluster, or all that this project deployed
(with --app, all of the app, whichever projects deployed it). With the last
service go the app's history, and its namespace if shipit made it and nothing
else is in it. Waits until the pods are gone. What they stored in volumes is
kept unless --claims is given.

With --expired, remove every app of the cluster (with -n, of that namespace) whose
ttl is over since it was last deployed: run it in CI, now and then.`,
		Example:           "  shipit delete web\n  shipit delete --expired --claims --yes --context preview",
		ValidArgsFunction: completeArgs(many, s.deployed),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkFormat(output); err != nil {
				return err
			}
			if expired {
				if len(args) > 0 {
					return usagef("--expired removes whole apps; take %s out", strings.Join(args, " "))
				}
				if target.app != "" || target.environment != "" {
					return usagef("--expired looks at every app of a cluster: without --app and --environment, which name one; -n and --context say where")
				}
				return deleteExpired(cmd.Context(), s, &target.clusterFlags, req, output, yes)
			}
			app, t, client, err := target.find(cmd.Context(), s)
			if err != nil {
				return err
			}
			req.Units = args
			s.missing(app, args)
			if !yes {
				if err := confirmDelete(s, app, args); err != nil {
					return err
				}
			}
			s.begin(app, "in", t)
			return s.follow(app, deleting, output, func(sink func(apply.Event)) (*apply.Result, error) {
				result, err := client.Delete(cmd.Context(), req, sink)
				if err == nil && result.Outcome == apply.Unchanged {
					s.nothing(app.Name, app.Namespace)
				}
				return result, err
			})
		},
	}
	target.add(cmd)
	cmd.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	cmd.Flags().BoolVar(&expired, "expired", false, "every app whose ttl is over, instead of one")
	cmd.Flags().BoolVar(&req.Claims, "claims", false, "delete the volumes' claims too, and with them the data")
	cmd.Flags().DurationVar(&req.Timeout, "timeout", 2*time.Minute, "how long the objects may take to be gone")
	addResultFlags(cmd, &req.LockWait, &output)
	return cmd
}

// missing warns of what stays and is to do without a service that goes.
func (s streams) missing(app *schema.App, gone []string) {
	for _, stays := range app.Services {
		if slices.Contains(gone, stays.Name) {
			continue
		}
		calls := func(name string) bool {
			return slices.ContainsFunc(stays.Calls, func(c schema.Call) bool { return c.App == "" && c.Service == name })
		}
		for _, name := range gone {
			switch {
			case slices.Contains(stays.Needs, name):
				s.warn("%s still needs %s and cannot be deployed again without it", stays.Name, name)
			case calls(name):
				s.warn("%s still calls %s", stays.Name, name)
			}
		}
	}
}
