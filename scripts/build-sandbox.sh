#!/usr/bin/env bash
# Compiles bin/shipit-sandbox. Kubernetes takes about ten minutes on two cores, so the binary is
# kept in the user's cache folder under a hash of everything that goes into it.
set -euo pipefail
cd "$(dirname "$0")/../sandbox"

kubernetes=$(awk '$1 == "k8s.io/kubernetes" { print $2 }' go.mod)
IFS=. read -r major minor _ <<<"${kubernetes#v}"
# Without its version, the API server tells clients one that they cannot parse.
version=k8s.io/component-base/version
flags="-s -w -X $version.gitVersion=$kubernetes -X $version.gitMajor=$major -X $version.gitMinor=$minor -X $version.gitTreeState=clean"

inputs() {
  go version
  echo "$flags"
  find . -type f \( -name '*.go' -o -name 'go.*' -o -path '*/templates/*' -o -path '*/manifests/*' \) \
    ! -name '*_test.go' ! -path './e2e/*' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum
}
cache="${XDG_CACHE_HOME:-$HOME/.cache}/shipit/bin/$(inputs | sha256sum | cut -c1-16)"

if [[ ! -x $cache/shipit-sandbox ]]; then
  mkdir -p "$cache"
  new=$(mktemp "$cache/.build.XXXXXX")
  echo "compiling the sandbox with Kubernetes $kubernetes: about 10 minutes on 2 cores the first time, then cached" >&2
  start=$SECONDS
  go build -trimpath -ldflags "$flags" -o "$new" . &
  build=$!
  trap 'kill $build 2>/dev/null; rm -f "$new"' EXIT
  while kill -0 $build 2>/dev/null; do
    sleep 1
    if (((SECONDS - start) % 15 == 0)) && kill -0 $build 2>/dev/null; then
      echo "  still compiling, $((SECONDS - start))s" >&2
    fi
  done
  wait $build
  chmod 755 "$new"
  mv "$new" "$cache/shipit-sandbox"
  trap - EXIT
  echo "compiled in $((SECONDS - start))s" >&2
fi
mkdir -p ../bin
# A running sandbox keeps the old file: a new one is put in its place, never written over it.
if ! cmp -s "$cache/shipit-sandbox" ../bin/shipit-sandbox; then
  cp "$cache/shipit-sandbox" ../bin/.shipit-sandbox.new
  mv ../bin/.shipit-sandbox.new ../bin/shipit-sandbox
fi
