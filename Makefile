# Run `make` to see the targets. Tools are pinned in tools/go.mod and built on first use into .cache/bin.
# FRESH=1 and PORT=n reach the development stack through the environment, as make passes them on.
SHELL := /bin/bash
bin := .cache/bin
withpg = TILLFLOW_BIN=$(CURDIR)/$(bin)/tillflow $(CURDIR)/$(bin)/withpg --
dev = $(bin)/tillflow-dev

# Packages are tested two at a time: each may bring a PostgreSQL database, a Temporal server and a browser of its own.
TESTFLAGS ?= -p 2

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help
help:
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-16s %s\n", $$1, $$2 }' Makefile

.PHONY: run
run: ## build everything, start the whole stack with a shop to click in (FRESH=1 starts over, PORT=n moves it)
	@script/build tillflow-dev
	@exec $(dev) dev

.PHONY: check
check: fmt-check lint workflowcheck generate-check test ## what CI runs: format, lint, determinism, generated files, tests

.PHONY: fmt
fmt: ## format all Go code
	script/tool golangci-lint fmt

.PHONY: fmt-check
fmt-check:
	script/tool golangci-lint fmt --diff

# Issues are reported one module at a time; all of them, so that one run shows the whole work.
lint_flags = --config $(CURDIR)/.golangci.yml --max-issues-per-linter 0 --max-same-issues 0
.PHONY: lint
lint: ## run the linters and the import rules
	script/tool golangci-lint run $(lint_flags) ./...
	cd tools && ../script/tool golangci-lint run $(lint_flags) ./...
	cd dev && ../script/tool golangci-lint run $(lint_flags) ./...

.PHONY: workflowcheck
workflowcheck: ## look for non-deterministic code in workflows
	script/tool workflowcheck -config workflowcheck.yaml ./workflows/...

.PHONY: generate
generate: ## write generated code again
	cd internal/shopify/gql && ../../../script/tool genqlient genqlient.yaml
	go generate ./...

.PHONY: generate-check
generate-check:
	script/generate-check

.PHONY: prepare
prepare:
	@script/bootstrap
	@script/build withpg
	@script/build tillflow

.PHONY: build
build: ## build the service to .cache/bin/tillflow
	@script/build tillflow

.PHONY: test
test: prepare ## run every test: unit, store, API, end to end, browser (TESTFLAGS="-run Name" for some)
	$(withpg) script/gotest $(TESTFLAGS)

.PHONY: race
race: prepare ## run every test under the race detector (needs a C compiler)
	$(withpg) script/gotest $(TESTFLAGS) -race

.PHONY: e2e
e2e: prepare ## run the end-to-end and browser tests alone
	cd dev && $(withpg) go test -timeout 20m ./e2e/...

.PHONY: record
record: prepare ## run the end-to-end scenarios and save their histories for the replay test
	cd dev && $(withpg) go test -timeout 20m -count 1 ./e2e/subscription -run TestAYearOfASubscription -record
	cd dev && $(withpg) go test -timeout 20m -count 1 ./e2e/record -run TestRecordHistories -record

.PHONY: replay
replay: ## replay the recorded histories through the workflows of today
	go test -count 1 ./workflows -run Replay -v

.PHONY: bench
bench: build ## measure charges per second beside the fixed floors: one line BENCH {json}
	@script/build tillflow-dev
	$(dev) bench

.PHONY: bench-open
bench-open: build ## measure what thousands of open charges cost a worker
	@script/build tillflow-dev
	$(dev) bench-open

.PHONY: bench-isolation
bench-isolation: build ## measure other shops while the provider of one never answers: one line BENCH {json} of ratios
	@script/build tillflow-dev
	$(dev) bench-isolation

.PHONY: bench-webhook
bench-webhook: build ## measure how fast Shopify's webhooks are answered while charges run, beside a bare insert
	@script/build tillflow-dev
	$(dev) bench-webhook

.PHONY: prove-charge
prove-charge: prepare ## gather what the charge must show: a line PROOF <item> ok|FAIL <figure> each
	@script/build tillflow-dev
	script/prove-charge

.PHONY: prove-refund
prove-refund: prepare ## gather what refund, capture and void must show: a line PROOF <item> ok|FAIL <figure> each
	@script/build tillflow-dev
	script/prove-refund

.PHONY: prove-subscription
prove-subscription: prepare ## gather what subscriptions must show: a line PROOF <item> ok|FAIL <figure> each
	@script/build tillflow-dev
	script/prove-subscription

.PHONY: prove-app
prove-app: prepare ## gather what the Shopify app and the console must show: a line PROOF <item> ok|FAIL <figure> each
	@script/build tillflow-dev
	script/prove-app

.PHONY: chaos
chaos: build ## play random stories against the service, judged by the stand-ins' books (SEEDS=50, FIRST=, SEED=, STORY=)
	@script/build tillflow-dev
	$(dev) chaos

.PHONY: chaos-kill
chaos-kill: build ## kill real processes under load at random points, judged by the stand-ins' books (BATCHES=50, SEED=)
	@script/build tillflow-dev
	$(dev) chaos-kill

.PHONY: chaos-mutations
chaos-mutations: prepare ## leave out one guard at a time and see that the random stories notice (SEEDS=500)
	script/chaos-mutations

.PHONY: shopify-schema
shopify-schema: ## compare our part of Shopify's schema with the published one (needs npm and the network)
	script/shopify-schema

.PHONY: vuln
vuln: ## look for known vulnerabilities (asks the vulnerability database on the network)
	script/tool govulncheck ./...
	cd dev && ../script/tool govulncheck ./...

.PHONY: clean
clean: ## remove built programs and test reports; the development stack keeps its state
	rm -rf .cache artefacts dev/artefacts
