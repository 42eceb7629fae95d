#!/usr/bin/env bash
# Compiles bin/shipit, with the version that git knows.
set -euo pipefail
cd "$(dirname "$0")/.."
version=$(git describe --tags --always --dirty 2>/dev/null || echo unknown)
mkdir -p bin
echo "building bin/shipit (a few minutes the first time)" >&2
go build -trimpath -ldflags "-s -w -X main.version=$version" -o bin/shipit ./cmd/shipit
