#!/usr/bin/env bash
# gofmt, go vet and golangci-lint on every module. golangci-lint is compiled once, at the version given.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD version=$1
bin="${XDG_CACHE_HOME:-$HOME/.cache}/shipit/bin/golangci-lint-$version"
if [[ ! -x $bin/golangci-lint ]]; then
  echo "compiling golangci-lint $version (once)" >&2
  GOBIN=$bin GOFLAGS= go install "github.com/golangci/golangci-lint/v2/cmd/golangci-lint@$version"
fi
unformatted=$(git ls-files -co --exclude-standard '*.go' | xargs gofmt -l)
if [[ -n $unformatted ]]; then
  echo "not gofmt-ed:" $unformatted >&2
  exit 1
fi
# The same flag as the builds have, so that Kubernetes is not compiled once more.
export GOFLAGS="-trimpath ${GOFLAGS-}"
for module in . sandbox examples/*; do
  (cd "$module" && go vet ./... && "$bin/golangci-lint" run --config "$root/.golangci.yml" ./...)
done
