# lunchrush. `make help` lists what there is.
#
# What a scenario is, how it is run and judged is in the program (bin/lunchrush --help); this file only calls it.

GO       ?= go
LUNCHRUSH = bin/lunchrush
LINT      = $(GO) tool -modfile=tools/go.mod golangci-lint

.DEFAULT_GOAL := help

# `make scenario peak-lunch` names its scenario as if it were a second goal. It is taken as the NAME, and given an empty
# recipe; a third goal is refused, and so is the name of a target of this file, which make would run after the scenario.
VERBS   := scenario prove capacity plan show
TARGETS := $(shell sed -n 's/^\([a-z][a-z-]*\):.*/\1/p' $(firstword $(MAKEFILE_LIST)))
VERB    := $(filter $(VERBS),$(firstword $(MAKECMDGOALS)))
ifneq ($(VERB),)
  GOALS := $(wordlist 2,$(words $(MAKECMDGOALS)),$(MAKECMDGOALS))
  ifneq ($(filter $(TARGETS),$(GOALS)),)
    $(error make $(VERB) wants the name of a scenario, and $(firstword $(filter $(TARGETS),$(GOALS))) is a target; run it by itself)
  endif
  ifeq ($(origin NAME),command line)
    STRAY := $(GOALS)
  else
    NAME  := $(firstword $(GOALS))
    STRAY := $(wordlist 2,$(words $(GOALS)),$(GOALS))
  endif
  ifneq ($(STRAY),)
    $(error make $(VERB) takes one scenario; what is "$(STRAY)"? Values are given as in SEED=7 (make help))
  endif
  ifeq ($(NAME)$(filter prove capacity,$(VERB)),)
    $(error make $(VERB) wants the name of a scenario, as in "make $(VERB) peak-lunch"; "make list" shows them)
  endif
  ifneq ($(GOALS),)
    .PHONY: $(GOALS)
    $(GOALS): ; @:
  endif
endif

PLACE = $(if $(TESTBED),--testbed '$(TESTBED)')
OVER  = $(if $(SEED),--seed '$(SEED)') $(if $(SPEED),--speed '$(SPEED)') $(if $(MACHINES),--machines '$(MACHINES)')

##@ Scenarios

.PHONY: scenario
scenario: $(LUNCHRUSH) ## run a scenario: make scenario peak-lunch [TESTBED= SEED= SPEED= MACHINES= PROFILE=]
	@$(LUNCHRUSH) run '$(NAME)' $(PLACE) $(OVER) $(if $(PROFILE),--profile '$(PROFILE)')

.PHONY: prove
prove: $(LUNCHRUSH) ## show a documented failure, then its cure: make prove callback-serial; all of them: make prove [TESTBED= SEED=]
	@$(LUNCHRUSH) prove $(if $(NAME),'$(NAME)',--all) $(PLACE) $(OVER)

.PHONY: gate
gate: $(LUNCHRUSH) ## compare what is here with another revision, in pairs of runs: make gate BASE=main [TESTBED= SEED=]
	@$(LUNCHRUSH) gate gate-lunch --base '$(or $(BASE),main)' $(PLACE) $(OVER)

.PHONY: capacity
capacity: $(LUNCHRUSH) ## search for the largest fleet a service carries, about 15 minutes: make capacity [NAME=six-hundred-devices TESTBED= BUDGET=25m]
	@$(LUNCHRUSH) capacity '$(or $(NAME),six-hundred-devices)' $(PLACE) $(OVER) $(if $(BUDGET),--budget '$(BUDGET)')

.PHONY: plan
plan: $(LUNCHRUSH) ## draw a scenario's demand, run nothing: make plan peak-night [SEED= SPEED= MACHINES=]
	@$(LUNCHRUSH) plan '$(NAME)' $(OVER)

.PHONY: show
show: $(LUNCHRUSH) ## print a scenario's file: make show notify-duplicates
	@$(LUNCHRUSH) show '$(NAME)'

.PHONY: list
list: $(LUNCHRUSH) ## list the scenarios
	@$(LUNCHRUSH) list

##@ Building and testing

# go build knows what changed; make need not.
.PHONY: build
build: $(LUNCHRUSH) ## build bin/lunchrush
.PHONY: $(LUNCHRUSH)
$(LUNCHRUSH):
	@CGO_ENABLED=0 $(GO) build -trimpath -o $@ ./cmd/lunchrush

.PHONY: test
test: embedded ## run every test; LUNCHRUSH_REQUIRE=containers,mariadb,redis,browser makes those fail that else would skip
	$(GO) test -timeout 20m -parallel 4 ./...

.PHONY: race
race: ## run every test under the race detector
	CGO_ENABLED=1 $(GO) test -race -timeout 60m -parallel 4 ./...

.PHONY: check
check: vet lint test ## everything that must hold before a change goes in: vet, lint (with formatting), test

.PHONY: fmt
fmt: ## format the code
	$(LINT) fmt

.PHONY: vet
vet: ## go vet
	$(GO) vet ./...

.PHONY: lint
lint: ## golangci-lint, built from its pinned source on first use (minutes)
	$(LINT) run ./...

FUZZ_TIME ?= 30s
.PHONY: fuzz
fuzz: ## fuzz every parser for FUZZ_TIME (30s) each
	@grep -rEo --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' scenarios service simulator chaos reports internal cmd \
	| sed -E 's|^(.*)/[^/]*:func (.*)|\1 \2|' | sort | while read -r dir target; do \
		echo "$$dir $$target"; \
		$(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZ_TIME) "./$$dir" || exit 1; \
	done

.PHONY: bench
bench: ## measure against other programs on this machine, in one run; prints ratios, judges nothing [BENCH=audit]
	@for dir in bench/$(or $(BENCH),*)/; do \
		echo "== go run ./$${dir%/}"; \
		$(GO) run "./$${dir%/}" || exit 1; \
	done

.PHONY: golden
golden: ## write the expected files anew from what the code does now; read the diff
	@$(GO) test $$(grep -rl --include='*_test.go' 'flag.Bool("update"' . | xargs -n1 dirname | sort -u) -update

.PHONY: clean
clean: ## remove what was built and what runs may have left behind; reports/runs stays
	@if [ -x $(LUNCHRUSH) ]; then $(LUNCHRUSH) testbed clean; fi
	rm -rf bin

##@ What runs need

.PHONY: setup
setup: packages images embedded ## a bare Debian machine gets all that runs and tests use (about 10 minutes)

.PHONY: packages
packages: ## install the Debian packages that are missing: MariaDB, Redis, Chromium, mmdebstrap
	@make/packages.sh

.PHONY: images
images: ## build the container images from Debian packages, without a registry (about 2 minutes) [FORCE=1]
	@if command -v docker >/dev/null; then images/build.sh; \
	else echo "images: no docker command, so none are built; runs take the local testbed"; fi

.PHONY: embedded
embedded: ## build the embedded database engine into the user's cache (about 5 minutes, once)
	@$(GO) run ./internal/testbed/prepare

##@ This list

.PHONY: help
help: ## what you are reading
	@awk 'BEGIN {FS = ":.*## "} \
		/^##@ / {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z][a-z-]*:.*## / {printf "  %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
