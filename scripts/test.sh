#!/usr/bin/env bash
# Runs the tests: `unit` those that need no cluster, `e2e` those on a real one, no argument both,
# after installing and building what they need; `chaos` breaks every request, of which e2e has a
# sample. One sandbox serves the whole run and is taken down at its end. Set
# SHIPIT_KEEP_SANDBOX=1 to keep it for the next run.
set -euo pipefail
cd "$(dirname "$0")/.."
what=${1:-all}
start=$SECONDS
say() { printf '\n== %s (%ds)\n' "$1" "$((SECONDS - start))" >&2; }

# With a real node to be had, a test that skips it has failed.
if [[ $(uname -s) == Linux && $EUID -eq 0 ]]; then
  export SHIPIT_REQUIRE_NODE="${SHIPIT_REQUIRE_NODE-1}"
fi

# The packages with tests on a cluster. Those that take longest come first.
clustered=(./apply ./cmd/shipit ./internal/chaos ./internal/deploy ./openapi)

unit() {
  say "unit tests"
  # No cluster is named, so what needs one says so by skipping: it runs under e2e.
  env -u SHIPIT_REQUIRE_NODE -u SHIPIT_TEST_KUBECONFIG -u SHIPIT_TEST_REGISTRY go test ./...
  with_race
}

# others runs the packages that e2e does not. One of them that needs a cluster fails.
others() {
  say "unit tests"
  local needed
  needed=$(go list "${clustered[@]}")
  go list ./... | grep -vxF "$needed" | xargs go test
  with_race
}

with_race() {
  say "what is evaluated side by side, with the race detector"
  go test -race -run 'TestDefinition|TestLoadAll|TestErrors' ./schema
  say "the shop's own tests"
  (cd examples/shop && go test ./...)
}

# sandbox starts the one that the tests of a run share, and names it to them.
sandbox() {
  say "starting a sandbox"
  export SHIPIT_SANDBOX="$PWD/bin/shipit-sandbox"
  # Scripts run with an empty home, and must find the same sandbox.
  export SHIPIT_SANDBOX_HOME="${SHIPIT_SANDBOX_HOME:-${XDG_STATE_HOME:-$HOME/.local/state}/shipit/sandbox}"
  local name=test
  "$SHIPIT_SANDBOX" up "$name"
  if [[ -z ${SHIPIT_KEEP_SANDBOX-} ]]; then
    trap '"$SHIPIT_SANDBOX" down test' EXIT
  fi
  dir=$(mktemp -d)
  "$SHIPIT_SANDBOX" kubeconfig "$name" >"$dir/kubeconfig"
  export SHIPIT_TEST_KUBECONFIG="$dir/kubeconfig" SHIPIT_TEST_SANDBOX="$name"
  SHIPIT_TEST_REGISTRY=$("$SHIPIT_SANDBOX" registry "$name")
  export SHIPIT_TEST_REGISTRY
  # What pushes to it wants its password.
  mkdir "$dir/docker"
  "$SHIPIT_SANDBOX" login "$name" >"$dir/docker/config.json"
  export DOCKER_CONFIG="$dir/docker"
}

e2e() {
  sandbox
  say "end to end"
  # One package after the other: twelve tests at a time, most of which wait, are enough for one node.
  go test -p 1 -count=1 -timeout 45m -parallel 12 "${clustered[@]}"
  say "the sandbox itself"
  (cd sandbox && go test -count=1 -timeout 45m ./internal/... ./e2e/...)
  rm -rf "$dir"
}

chaos() {
  sandbox
  say "chaos"
  go test -count=1 -timeout 24h -v -run 'TestChaos$' ./internal/chaos
  rm -rf "$dir"
}

case $what in
unit) unit ;;
e2e) e2e ;;
chaos) chaos ;;
all)
  say "installing what the node needs"
  scripts/install-tools.sh
  say "building"
  scripts/build.sh
  others
  if command -v pre-commit >/dev/null; then
    say "the hooks of pre-commit"
    scripts/hooks.sh
  fi
  scripts/build-sandbox.sh
  e2e
  ;;
*)
  echo "usage: scripts/test.sh [unit|e2e|chaos]" >&2
  exit 64
  ;;
esac
say "passed: $what"
