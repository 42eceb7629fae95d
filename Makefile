# shipit: `make help` lists what can be made.
SHELL := /bin/bash
GO    ?= go

GOLANGCI_VERSION := v2.13.2

.PHONY: help build sandbox tools lint demo test unit e2e chaos bench fuzz figures hooks generate clean

help: ## list the targets
	@awk -F':.*## ' '/^[a-z0-9-]+:.*## /{printf "  %-9s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## compile the command line to bin/shipit
	@scripts/build.sh

sandbox: ## compile the sandbox to bin/shipit-sandbox (about 10 minutes, once; then cached)
	@scripts/build-sandbox.sh

tools: ## install what the sandbox's node needs (Debian and Ubuntu, as root); elsewhere, name it
	@scripts/install-tools.sh

demo: tools build sandbox ## deploy examples/shop to a sandbox, break a service, watch it come back
	@scripts/demo.sh

test: ## everything: install, build, unit tests, scripts, end to end on a real node
	@scripts/test.sh

unit: ## the tests that need no cluster
	@scripts/test.sh unit

e2e: tools build sandbox ## the tests on a real cluster
	@scripts/test.sh e2e

TIME ?= 20m
chaos: tools build sandbox ## break every request of deploys, rollbacks and deletions (TIME=20m, CASE=upgrade/503/17), and write docs/reliability.md
	@SHIPIT_CHAOS_TIME=$(if $(CASE),,$(TIME)) SHIPIT_CHAOS_CASE=$(CASE) scripts/test.sh chaos

bench: build ## time and memory of whole processes on 50 and 1000 services, then benchmarks of the parts
	$(GO) run ./internal/bench/processes $(BENCH)
	$(GO) test -run '^$$' -bench . -benchmem ./schema/... ./render ./openapi

FUZZTIME ?= 5m
fuzz: ## give the loader of projects any input, then any change of good ones (FUZZTIME=5m each)
	$(GO) test ./schema -run '^$$' -fuzz FuzzLoad -fuzztime $(FUZZTIME) -fuzzminimizetime 10x
	$(GO) test ./schema -run '^$$' -fuzz FuzzMutations -fuzztime $(FUZZTIME) -fuzzminimizetime 10x

figures: tools build sandbox ## how long the shop takes on a sandbox, against the limits
	@scripts/figures.sh

hooks: build ## try the pre-commit hooks in a repository of its own (needs pre-commit)
	@scripts/hooks.sh

lint: ## gofmt, go vet and golangci-lint on every module
	@scripts/lint.sh $(GOLANGCI_VERSION)

generate: build ## after a change of schema/v1: write the reference and the examples' copies anew
	UPDATE_SCRIPTS=1 $(GO) test -count=1 ./cmd/shipit -run TestLanguagePage
	for app in examples/*/cue.mod; do bin/shipit init --update "$$(dirname $$app)"; done

clean: ## remove bin/ (sandboxes and caches stay)
	rm -rf bin
