# `make` lists the targets. Everything runs in .venv, which is made on the way.
# It keeps to GNU make 3.81, which macOS ships: each line of a recipe is one command, and where
# commands are piped the line itself says pipefail.
SHELL := bash
.DEFAULT_GOAL := help
.PHONY: help up down status logs trace log-level fault send metrics generate preview check diff replay capacity mutate nothing-runs lock test test-all test-compose test-faults test-lts soak outages bench clean

PYTHON ?= python3
# Where the checkout is read-only: make up VENV=/elsewhere STACK_STATE_DIR=… STACK_TOOLS_DIR=…
VENV ?= .venv
# Each imports and collects all tests: a third would save a minute, for as much as that costs.
TEST_WORKERS ?= 2
RUN := $(VENV)/bin/python
# Variables given to make, as in `make up APP_PORT=9000`, reach the stack through the environment.
export
# Whatever this machine's locale is: every file of the project is UTF-8.
export PYTHONUTF8 := 1
# Refuses misspelt variables, which would do nothing.
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
ifneq ($(strip $(GIVEN)),)
UNKNOWN := $(shell $(PYTHON) -B -m stack.settings $(GIVEN) 2>/dev/null)
$(if $(UNKNOWN),$(error $(UNKNOWN)))
endif
# These are passed as they were typed: make would take the $2 out of "$200".
unexport NAME TEXT COMPONENT ID LEVEL LOGGER OLD NEW
typed = '$(subst ','\'',$(value $(1)))'

# Where nothing was ever started, nothing is installed in order to say so.
STARTED := $(or $(filter up,$(MAKECMDGOALS)),$(STACK_STATE_DIR),$(COMPOSE_PROJECT_NAME),\
  $(wildcard $(VENV)/stack .state))
asking = $(if $(STARTED),$(VENV)/$(1),nothing-runs)

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) \
	  | awk -F ':.*## ' '{ printf "  make %-13s %s\n", $$1, $$2 }'

up: $(VENV)/stack ## start everything and print the addresses
	@$(RUN) -m stack up

down: $(if $(STARTED),$(VENV)/stack) ## stop everything; data stays in .state/
	@$(if $(STARTED),$(RUN) -m stack down,echo "nothing runs here")

status: $(call asking,stack) ## show for each component: does it work, where, since when; what fires
	@$(RUN) -m stack status

logs: $(call asking,stack) ## follow the logs; COMPONENT=app LEVEL=warning TEXT=… filter them
	@$(RUN) -m stack logs --follow $(COMPONENT) $(if $(LEVEL),--level $(LEVEL)) \
	  $(if $(value TEXT),--text $(call typed,TEXT))

trace: $(call asking,stack) ## ID=… what happened under a correlation ID, on a time line
	$(if $(value ID),,$(error give the ID: make trace ID=01a209b3-f687-7a33-a8b2-a463ea317405))
	@$(RUN) -m stack trace $(call typed,ID)

log-level: $(call asking,stack) ## LOGGER=app.clients LEVEL=debug for an hour; without LOGGER: list them
	$(if $(LEVEL),$(if $(LOGGER),,$(error name the logger: make log-level LOGGER=app.clients LEVEL=$(LEVEL))))
	@$(RUN) -m stack log-level $(LOGGER) $(LEVEL)

fault: $(call asking,stack) ## NAME=ai_errors switches a fault on, NAME=none all off; without NAME: list them
	@$(RUN) -m stack fault $(call typed,NAME)

send: $(call asking,stack) ## TEXT="…" sends one SMS and prints what happened to it
	$(if $(value TEXT),,$(error give the message: make send TEXT='can I pay weekly?'))
	@$(RUN) -m stack send $(call typed,TEXT)

metrics: $(call asking,stack) ## the orchestrator's exact counts, as JSON
	@$(RUN) -m stack metrics

generate: $(VENV)/dev ## write rules, dashboards, deploy/, lists of events and settings from their sources
	@$(RUN) -m app.core.events_reference
	@$(RUN) -m app.core.settings_reference
	@$(RUN) -m alerts generate
	@$(RUN) -m dashboards generate
	@$(RUN) -m deploy generate

preview: $(call asking,preview) ## each dashboard as a picture, from the running stack; LAST=6h DASHBOARD=overview
	@$(RUN) -m stack preview $(if $(LAST),--last $(LAST)) $(if $(WINDOW),--window $(WINDOW)) \
	  $(foreach name,$(DASHBOARD),--dashboard $(name)) $(foreach choice,$(SET),--set $(choice))

# Tests that look at files alone: compose, versions, documents, the tests themselves.
OF_FILES := $(addprefix tests/,test_stack/test_compose_file.py test_stack/test_versions.py test_docs.py \
  test_citations.py test_no_accidental_pass.py test_calls.py)

# Writes bytecode, because several hundred processes import the same modules.
check test: export PYTHONDONTWRITEBYTECODE :=
check: $(VENV)/dev ## format, lint, imports, types, compose, versions, docs, drift, rules, dashboards, deploy/
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(VENV)/bin/lint-imports --no-cache --no-logo
	$(RUN) -m mypy
	$(RUN) -m pytest -q $(OF_FILES)
	@$(RUN) -m app.core.events_reference --check
	@$(RUN) -m app.core.settings_reference --check
	@$(RUN) -m alerts check
	@$(RUN) -m dashboards check
	@$(RUN) -m deploy check

diff: $(VENV)/dev ## what changed in dashboards and rules, in words; OLD=v1.2 NEW=v1.3
	$(if $(value NEW),$(if $(value OLD),,$(error give both: make diff OLD=main NEW=v1.3)))
	@$(RUN) -m dashboards diff $(if $(value OLD),$(call typed,OLD)) $(if $(value NEW),$(call typed,NEW))

replay: $(call asking,stack) ## would this have fired? SET="ai_error_ratio=0.05" LAST=7d VERBOSE=1
	@$(RUN) -m stack replay $(foreach change,$(SET),--set $(change)) $(if $(LAST),--last $(LAST)) \
	  $(if $(VERBOSE),--verbose)

capacity: $(VENV)/stack ## what all of it needs at a size; SMS_PER_SECOND=1000 INSTANCES=40 WORKERS=2 RETENTION=1y
	@$(RUN) -m stack capacity $(if $(SMS_PER_SECOND),--sms-per-second $(SMS_PER_SECOND)) \
	  $(if $(INSTANCES),--instances $(INSTANCES)) $(if $(WORKERS),--workers $(WORKERS)) \
	  $(if $(RETENTION),--retention $(RETENTION))

mutate: $(VENV)/dev ## change rules a little; list changes that no rule test and no scenario notices; GROUP='slo sms'
	@$(RUN) -m alerts mutate $(GROUP)

test: check ## make check, then the tests, on real components; needs no running stack
	@$(RUN) -m stack tools --for-tests
	PYTEST_COVERAGE=90 $(RUN) -m pytest -n $(TEST_WORKERS) \
	  $(addprefix --ignore=,$(OF_FILES) tests/test_stack/compose tests/test_stack/faults)

# For what is too slow for each change, or needs a Docker engine.
test-all: LONG_TESTS := 1
test-all: test test-lts test-compose test-faults soak mutate bench ## make test in its long form, and all other tests

soak: $(VENV)/dev ## the layer under load and faults; MINUTES=60
	$(RUN) -m tests.soak --minutes $(or $(MINUTES),60)

outages: $(VENV)/dev ## make outages, write docs/outages.md from what each surface says; NAME=… only some
	$(RUN) -m tests.outages $(NAME)

test-compose: $(VENV)/dev ## run docker-compose.yml, with stand-ins for missing images
	$(RUN) -m pytest tests/test_stack/compose -s

test-faults: $(VENV)/dev ## each fault on its own stack, with its alerts; NAME=… only some, SIDE_BY_SIDE=6, MINUTES=5, RESULTS=folder
	@$(RUN) -m stack tools --for-tests
	$(RUN) -m pytest -s $(if $(SIDE_BY_SIDE),--side-by-side=$(SIDE_BY_SIDE)) \
	  $(if $(MINUTES),--fault-minutes=$(MINUTES)) $(if $(RESULTS),--results=$(RESULTS)) \
	  $(or $(NAME:%='tests/test_stack/faults/test_faults.py::test_fault[%]'),tests/test_stack/faults)

test-lts: $(VENV)/dev ## test the rules on compose's Prometheus; it may take minutes to build that first
	TEST_LTS=1 $(RUN) -m pytest -n $(TEST_WORKERS) tests/test_alerts/test_lts.py

lock: $(VENV)/dev ## pin what pyproject.toml asks for, with hashes; UPGRADE=1 takes newer versions
	$(call locked,dev,--extra stack --extra preview --extra dev)
	$(call locked,preview,--extra stack --extra preview $(AS_IN_DEV))
	$(call locked,stack,--extra stack $(AS_IN_DEV))
	$(call locked,app,$(AS_IN_DEV))
# A package has the same version in all four.
AS_IN_DEV := --constraint requirements/dev.txt
locked = $(RUN) -m uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-annotate --no-header $(if $(UPGRADE),--upgrade) $(2) pyproject.toml -o requirements/$(1).txt

bench: $(VENV)/dev ## measure what the service, the rules and the dashboards cost
	@$(RUN) -m tests.bench

clean: ## delete what was installed, measured and kept; asks first, YES=1 doesn't ask
	@$(or $(wildcard $(RUN)),$(PYTHON)) -B -m stack.clean $(if $(filter 1 yes,$(YES)),--yes)

nothing-runs:
	@echo "nothing runs here; make up starts the stack" >&2; exit 1

# What `make up` would refuse after installing, it refuses before.
refuse_early = $(if $(filter up,$(MAKECMDGOALS)),$(or $(wildcard $(RUN)),$(PYTHON)) -B -m stack.open_files)

$(VENV)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed: make PYTHON=/path/to/python3 …"; exit 1; }
	@$(refuse_early)
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null \
	  || { echo "Python's venv is missing: apt-get install python3-venv"; exit 1; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV) \
	  || { echo "$(VENV) can't be made; make VENV=/another/folder … puts it elsewhere" >&2; exit 1; }
	@touch $@

# Each holds everything of the one before it.
$(VENV)/stack $(VENV)/preview $(VENV)/dev: $(VENV)/%: $(VENV)/python requirements/%.txt
	@$(refuse_early)
	@$(RUN) -B -m stack.quick_installation requirements/$*.txt || true
	@set -o pipefail; \
	  PIP_USER=0 $(RUN) -m pip install --disable-pip-version-check --progress-bar off --no-compile \
	    --no-deps --require-hashes -r requirements/$*.txt \
	  | awk -v of="$$(grep -c '==' requirements/$*.txt)" -v shown="$$(test -t 2 && echo 1)" \
	    'shown && /^Collecting|already satisfied/ \
	      { printf "\rinstalling requirements/$*.txt: %d of %d packages", ++n, of; fflush() } \
	    END { if (shown) printf "\r%60s\r", "" }' \
	  || { echo "requirements/$*.txt could not be installed; pip says why above" >&2; exit 1; }
	@echo "installed requirements/$*.txt"
	@touch $@
