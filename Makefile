# Everything is built and tested without cgo; only the race detector needs it,
# and with it a C compiler. Output and tools go to .tmp, never elsewhere.

SHELL       := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS   += --no-print-directory

export CGO_ENABLED := 0

ROUNDS      ?= 1
RACE_ROUNDS ?= 0.1
SOAK        ?= 20
FUZZTIME    ?= 10s
RUN         ?= .
# Of the command line the race detector runs what serves, follows or asks: each of its
# other tests is a process that does one thing, and many of them take minutes.
RACE_CLI    ?= Ask|Form|Cluster|Peers|Serve|Server|Follow|Lease|Move$$|Metrics|Traces|MCP|Talks$$|Second|TokensAtOnce|Observe
BENCH       ?= -scenario all
PAYMENTS    ?=
DEMO        ?=
ENGINE      ?= jetstream

TMP      := $(CURDIR)/.tmp
BIN      := $(TMP)/bin
REPORT   := $(BIN)/testreport
LINT     := $(BIN)/golangci-lint
GOFUMPT  := $(BIN)/gofumpt
BUF      := $(BIN)/buf
TS       := $(TMP)/typescript
SERVERS  := $(BIN)/nats-server $(BIN)/versitygw
PLUGINS  := $(BIN)/protoc-gen-go $(BIN)/protoc-gen-connect-go

# Each module of go.work, as a pattern of all its packages. The tools are no
# part of it: two tools need not agree on their dependencies.
MODULES   = $(shell go list -m -f '{{.Dir}}')
PACKAGES  = $(addsuffix /...,$(MODULES))
TOOLBUILD = GOWORK=off go build

# Modules with a workspace of their own beside bench: what they need is no part of
# MODULES, which agree on their versions.
SINKS     = pg/kafka pg/jetstream engine/jetstream blob/s3

# What the figures of a run belong to; "+" says that the tree has changes.
COMMIT    = $(shell git rev-parse --short HEAD 2>/dev/null)$(shell git diff --quiet HEAD -- '*.go' 2>/dev/null || echo +)

# A C compiler, or nothing.
CC_FOUND  = $(shell command -v "$$(go env CC)" 2>/dev/null || true)

# $(call gotest,STEP,FLAGS PACKAGES): run tests, keep the whole output in
# .tmp/STEP.json, print what matters of it.
gotest = go test -json -count=1 -run '$(RUN)' $(2) | tee $(TMP)/$(1).json | $(REPORT)

.PHONY: help
help: ## Print this list
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 } /^##@ / { sub(/^##@ ?/, "  "); print }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Run the inventory demo: shoppers, kill -9, an audit (under a minute)
	go run ./cmd/mainstem demo

.PHONY: cluster-demo
cluster-demo: ## Run the inventory demo on three nodes, killed and cut off: make cluster-demo ENGINE=postgres
	@case $(ENGINE) in jetstream) $(MAKE) $(BIN)/nats-server ;; esac
	@PATH="$(BIN):$$PATH" go run ./cmd/mainstem demo --cluster $(ENGINE) --json $(DEMO)

.PHONY: payments-demo
payments-demo: ## Run payments on PostgreSQL under faults, with pg and by hand: make payments-demo PAYMENTS="-seed 7"
	@cd examples/payments && go run . demo $(PAYMENTS)

.PHONY: build
build: ## Build every package of every module, and .tmp/bin/mainstem if its sources are there
	go build $(PACKAGES)
	@if ls cmd/mainstem/*.go >/dev/null 2>&1; then go build -trimpath -o $(BIN)/mainstem ./cmd/mainstem; fi

.PHONY: test
test: postgres $(REPORT) ## Test everything: suite, wire, contract, breaklaw, tools, sinks-test, bench-test, examples-test, quickstart-ts, race. Ends with a summary
	@rc=0; summary=""; \
	for step in suite wire contract breaklaw tools sinks-test bench-test examples-test quickstart-ts race; do \
		echo "== $$step"; from=$$SECONDS; \
		if $(MAKE) --silent $$step; then verdict=passed; else verdict=FAILED; rc=1; fi; \
		if [ -e $(TMP)/$$step.notrun ]; then verdict=$$(cat $(TMP)/$$step.notrun); fi; \
		summary+="$$step: $$verdict ($$((SECONDS - from)) s)"$$'\n'; \
	done; \
	echo "== summary"; printf '%s' "$$summary"; \
	if [ $$rc -ne 0 ]; then echo "make test: FAILED; the whole output of each step is in .tmp/STEP.json"; fi; \
	exit $$rc

# Its packages would make a cluster of their own and start it; tests make theirs.
.PHONY: postgres
postgres: ## Install PostgreSQL and PgBouncer for tests where they are missing: on Debian and its kin, as root
	@if { ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null; } && command -v pgbouncer >/dev/null; then exit 0; fi; \
	if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
		echo "postgres: PostgreSQL or PgBouncer is not there, and this user cannot install it: what needs it is not run (Debian: apt-get install postgresql pgbouncer)"; exit 0; \
	fi; \
	mkdir -p /etc/postgresql-common; \
	[ -e /etc/postgresql-common/createcluster.conf ] || echo "create_main_cluster = false" >/etc/postgresql-common/createcluster.conf; \
	DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends -o Dpkg::Options::=--force-confold postgresql pgbouncer

.PHONY: suite
suite: $(REPORT) $(SERVERS) ## Step of test: every module, all rounds, without race
	@export MAINSTEM_ROUNDS=$(ROUNDS) PATH="$(BIN):$$PATH"; $(call gotest,suite,-timeout 25m $(PACKAGES))

.PHONY: wire
wire: $(REPORT) ## Step of test: the library's own tests once more, through a server and its client
	@export MAINSTEM_WIRE=1; $(call gotest,wire,-timeout 10m .)

# The released contract is what tags have; before the first release there is none.
RELEASED = $(shell git describe --tags --abbrev=0 --match 'v*' 2>/dev/null)

.PHONY: contract
contract: ## Step of test: proto/ is linted, breaks no release, and its Go code is fresh
	@rm -f $(TMP)/$@.notrun; \
	if ! $(MAKE) --silent $(BUF) $(PLUGINS); then \
		echo "not run (buf or its plugins could not be built)" | tee $(TMP)/$@.notrun; exit 0; \
	fi; \
	cd proto && $(BUF) lint; \
	if [ -n "$(RELEASED)" ]; then $(BUF) breaking --against '../.git#tag=$(RELEASED),subdir=proto'; \
	else echo "contract: breaks nothing (there is no release yet)"; fi; \
	dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; cp -r . "$$dir/proto"; (cd "$$dir/proto" && PATH="$(BIN):$$PATH" $(BUF) generate); \
	if ! diff -r . "$$dir/proto"; then echo "contract: generated code is stale: run make generate"; exit 1; fi

.PHONY: generate
generate: $(BUF) $(PLUGINS) ## Generate Go from proto/, and TypeScript where npm is installed
	@cd proto && PATH="$(BIN):$$PATH" $(BUF) generate
	@if ! command -v npm >/dev/null; then echo "generate: TypeScript: not run (npm is not installed)"; exit 0; fi; \
	($(TYPESCRIPT)); rm -rf examples/typescript/gen; cp -r $(TS)/gen examples/typescript/gen

.PHONY: breaklaw
breaklaw: $(REPORT) ## Step of test: break each law on purpose, see which check goes red
	@rm -f $(TMP)/$@.notrun; \
	if ! ls internal/laws/*_test.go >/dev/null 2>&1; then \
		echo "not run (internal/laws has no test)" | tee $(TMP)/$@.notrun; exit 0; \
	fi; \
	$(call gotest,breaklaw,-timeout 15m -tags breaklaw ./internal/laws/...)

.PHONY: tools
tools: ## Step of test: the repository's own tools
	@for tool in testreport pictures; do (cd tools/$$tool && GOWORK=off go test -count=1 ./...) || exit 1; done

.PHONY: pictures
pictures: ## Take the pictures of docs/pictures anew; needs prometheus and chromium
	@tools/pictures/take.sh

.PHONY: sinks-test
sinks-test: $(REPORT) $(SERVERS) ## Step of test: sinks, engines and stores that are modules of their own, on real servers
	@export PATH="$(BIN):$$PATH"; rc=0; for dir in $(SINKS); do (cd $$dir && $(call gotest,sinks-test-$${dir//\//-},-timeout 5m ./...)) || rc=1; done; exit $$rc

# bench is a workspace of its own: its dependencies are no part of MODULES.
.PHONY: bench-test
bench-test: $(REPORT) ## Step of test: the benchmark, each scenario for a moment on Mainstem and bbolt
	@cd bench && $(call gotest,bench-test,-timeout 5m ./...)

# So is each example.
.PHONY: examples-test
examples-test: $(REPORT) ## Step of test: the payments demo in short, which needs PostgreSQL, and the shop
	@rc=0; for dir in payments shop; do (cd examples/$$dir && $(call gotest,examples-test-$$dir,-timeout 5m ./...)) || rc=1; done; exit $$rc

# A copy of the example, with its packages, and gen made anew.
TYPESCRIPT = mkdir -p $(TS) && rm -rf $(TS)/gen && cp examples/typescript/{*.json,*.ts,*.yaml,.npmrc} $(TS) && cd $(TS) && \
	npm ci --silent && PATH="node_modules/.bin:$(BIN):$$PATH" buf generate $(CURDIR)/proto --template buf.gen.yaml

# What it does is run by internal/doctest, as the page of the server has it.
.PHONY: quickstart-ts
quickstart-ts: ## Step of test: the TypeScript client of examples/typescript is fresh, and compiles
	@rm -f $(TMP)/$@.notrun; mkdir -p $(TMP); \
	if ! command -v npm >/dev/null; then why="npm is not installed"; \
	elif ! $(MAKE) --silent $(BUF); then why="buf could not be built"; \
	elif ! ($(TYPESCRIPT)); then why="npm ci failed, see above"; fi; \
	if [ -n "$${why:-}" ]; then echo "not run ($$why)" | tee $(TMP)/$@.notrun; exit 0; fi; \
	if ! diff -r examples/typescript/gen $(TS)/gen; then echo "quickstart-ts: generated code is stale: run make generate"; exit 1; fi; \
	cd $(TS) && node_modules/.bin/tsc --noEmit; echo "quickstart-ts: fresh, and compiles"

.PHONY: race
race: $(REPORT) ## Step of test: all that runs concurrently, a tenth of the rounds, with race; needs a C compiler
	@rm -f $(TMP)/$@.notrun; \
	if [ -z "$(CC_FOUND)" ]; then \
		echo "race: not run (no C compiler found; install gcc)"; \
		echo "not run (no C compiler found; install gcc)" >$(TMP)/$@.notrun; exit 0; \
	fi; \
	export CGO_ENABLED=1 MAINSTEM_ROUNDS=$(RACE_ROUNDS); \
	concurrent=$$(go list $(PACKAGES) | grep -vE '/internal/(tidy|doctest|cli)$$|/mainstem/advise(/|$$)'); \
	rc=0; ($(call gotest,race,-race -timeout 25m $$concurrent)) || rc=1; \
	($(call gotest,race-cli,-race -timeout 15m -run '$(RACE_CLI)' ./cmd/mainstem/internal/cli)) || rc=1; exit $$rc

.PHONY: test-fast
test-fast: ## Test what changed since last time, cached, a tenth of the rounds
	MAINSTEM_ROUNDS=0.1 go test $(PACKAGES)

.PHONY: bench
bench: ## Measure all scenarios with all peers, hours: make bench BENCH="-scenario cas -clients 64 -seconds 5"
	@cd bench && go run . -commit "$(COMMIT)" $(BENCH)

.PHONY: bench-levels
bench-levels: ## Measure reads at every level on every engine, minutes, and write them into docs/reference/guarantees.md
	@cd bench && go run . -commit "$(COMMIT)" -scenario levels -json >$(TMP)/levels.json && mv $(TMP)/levels.json ../docs/reference/levels.json
	@$(MAKE) bench-page

.PHONY: bench-page
bench-page: ## Write what docs/reference/guarantees.md has of the engines, and of kept figures
	@cd bench && go run . -page ../docs/reference/guarantees.md -levels ../docs/reference/levels.json

.PHONY: bench-record
bench-record: ## The same, appended to bench/history.jsonl as one line, and drawn anew in docs/bench.svg
	@cd bench && go run . -commit "$(COMMIT)" -record history.jsonl -chart ../docs/bench.svg $(BENCH)

# Each picture is a workload, the part of its page that comes first, width, height, and 1 for light or 0 for dark.
.PHONY: advise-pictures
advise-pictures: ## Take those of pages of mainstem advise anew; needs chromium
	@mkdir -p $(TMP) docs/pictures; for p in booking:trade-offs:1280:1010:1 payments:model:390:900:0 inventory:wrong:390:800:1; do \
		IFS=: read -r name part width height light <<<"$$p"; page=$(TMP)/$$name.html; \
		go run ./cmd/mainstem advise examples/workloads/$$name.yaml --as html >$$page && \
		echo "<style>body > :has(~ #$$part), h1 { display: none }</style>" >>$$page && \
		chromium --headless --no-sandbox --disable-gpu --hide-scrollbars --blink-settings=preferredColorScheme=$$light \
			--window-size=$$width,$$height --screenshot=docs/pictures/advise-$$name.png "file://$$page" 2>/dev/null || exit 1; \
	done; ls -l docs/pictures

.PHONY: soak
soak: $(REPORT) $(SERVERS) ## Test with SOAK times the rounds, fresh seeds, no time limit: make soak SOAK=100 RUN=Crash
	@export MAINSTEM_SOAK=$(SOAK) PATH="$(BIN):$$PATH"; $(call gotest,soak,-timeout 0 $(PACKAGES)); \
	for dir in $(SINKS); do (cd $$dir && $(call gotest,soak-$${dir//\//-},-timeout 0 ./...)); done

.PHONY: fuzz
fuzz: ## Fuzz every target for FUZZTIME each: make fuzz FUZZTIME=1m
	@found=0; rc=0; \
	for f in $$(grep -rlE '^func Fuzz' --include='*_test.go' --exclude-dir=.tmp . | sort); do \
		for name in $$(sed -nE 's/^func (Fuzz[A-Za-z0-9_]*)\(.*/\1/p' "$$f"); do \
			found=$$((found + 1)); echo "== $$name $${f%/*}"; \
			(cd "$${f%/*}" && go test -run '^$$' -fuzz "^$$name\$$" -fuzztime $(FUZZTIME) .) || rc=1; \
		done; \
	done; \
	echo "fuzz: $$found targets, $(FUZZTIME) each"; [ $$found -gt 0 ] && exit $$rc

.PHONY: cover
cover: ## Measure coverage of every module; profile in .tmp/cover.out
	@mkdir -p $(TMP)
	go test -count=1 -coverpkg=$$(echo $(PACKAGES) | tr ' ' ,) -coverprofile=$(TMP)/cover.out $(PACKAGES)
	go tool cover -func=$(TMP)/cover.out | tail -n 1

.PHONY: lint
lint: ## Lint every module with the pinned golangci-lint; without it go vet and gofmt, and say so
	@if $(MAKE) --silent $(LINT); then \
		rc=0; for dir in $(MODULES) $(CURDIR)/bench $(CURDIR)/examples/payments $(CURDIR)/examples/shop $(addprefix $(CURDIR)/,$(SINKS)); do \
			if ! (cd "$$dir" && go list ./... 2>/dev/null | grep -q .); then continue; fi; \
			echo "lint: $$(realpath --relative-to=. "$$dir")"; \
			(cd "$$dir" && $(LINT) run --config $(CURDIR)/.golangci.yml ./...) || rc=1; \
		done; exit $$rc; \
	else \
		echo "lint: golangci-lint: not run (it could not be built, see above); go vet and gofmt only"; \
		rc=0; go vet $(PACKAGES) || rc=1; for dir in bench examples/payments examples/shop $(SINKS); do (cd $$dir && go vet ./...) || rc=1; done; \
		unformatted=$$(gofmt -l $(MODULES)); if [ -n "$$unformatted" ]; then echo "not formatted: $$unformatted"; rc=1; fi; \
		exit $$rc; \
	fi

.PHONY: fmt
fmt: $(GOFUMPT) ## Format every Go file with the pinned gofumpt: make fmt FILES=node
	@$(GOFUMPT) -l -w $(or $(FILES),.)

.PHONY: fresh
fresh: ## Clone HEAD to a directory of its own, build it there and hold it to its rules
	@dir=$$(mktemp -d); trap 'rm -rf "$$dir"' EXIT; \
	git clone --quiet . "$$dir/mainstem"; cd "$$dir/mainstem"; \
	$(MAKE) -f Makefile build && go test -count=1 ./internal/tidy

.PHONY: clean
clean: ## Remove .tmp: output, tools, reports
	rm -rf $(TMP)

$(REPORT): $(wildcard tools/testreport/*.go) tools/testreport/go.mod
	@mkdir -p $(BIN)
	@cd tools/testreport && $(TOOLBUILD) -o $@ .

$(LINT): tools/golangci-lint/go.mod
	@mkdir -p $(BIN)
	@echo "building golangci-lint, once (two minutes on two cores)"
	@cd tools/golangci-lint && $(TOOLBUILD) -o $@ tool

$(BUF): tools/buf/go.mod
	@mkdir -p $(BIN)
	@echo "building buf, once (a minute on two cores)"
	@cd tools/buf && $(TOOLBUILD) -o $@ tool

$(PLUGINS): $(BIN)/%: tools/%/go.mod
	@mkdir -p $(BIN)
	@cd tools/$* && $(TOOLBUILD) -o $@ tool

$(SERVERS): $(BIN)/%: tools/%/go.mod
	@mkdir -p $(BIN)
	@echo "building $*, once (a minute or two on two cores)"
	@cd tools/$* && $(TOOLBUILD) -o $@ tool

.tmp/bin/%: $(BIN)/% ;

$(GOFUMPT): tools/gofumpt/go.mod
	@mkdir -p $(BIN)
	@cd tools/gofumpt && $(TOOLBUILD) -o $@ tool

##@
##@ Variables: ROUNDS=1 scales the randomized tests of make test, RACE_ROUNDS=0.1
##@ those of its race step (MAINSTEM_ROUNDS), SOAK=20 those of make soak
##@ (MAINSTEM_SOAK). RUN=REGEXP runs only matching tests, MAINSTEM_SEED=N repeats
##@ a failure that printed seed N. BENCH="-scenario cas -seconds 5" are the flags of
##@ make bench and bench-record (cd bench && go run . -h), PAYMENTS="-seed 7" those of
##@ make payments-demo (cd examples/payments && go run . demo -h). ENGINE=jetstream or
##@ postgres is what make cluster-demo runs on, DEMO="--seed 7" its flags. make test stays below 30 minutes on two cores.
