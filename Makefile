# Everything a contributor does, from a bare checkout. `make help` lists it.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/sh

VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# The first of these that is new enough and has venv makes the environment; PYTHON=... names another.
PYTHON ?= python3.13 python3.12 python3.11 python3
ARGS ?=
PEER ?=
LOAD ?= produce
TESTS ?=

.PHONY: help run test check format docs bench flamegraph performance image clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: $(VENV)/.installed ## serve on localhost:9092 with data in ./ottla-data, or with ARGS="--port 9192"
	@exec $(BIN)/ottla serve $(ARGS)

test: $(VENV)/.installed-all ## run every test, or those of TESTS="tests/broker -k listeners"
	$(BIN)/python -m pytest $(TESTS)

check: $(VENV)/.installed-all ## types, style, import rules, generated documents
	$(BIN)/mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports
	$(BIN)/python -m docs.generate --check

format: $(VENV)/.installed-all ## format the code and mend what ruff can
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(VENV)/.installed-all ## write the documents that are made from the code
	$(BIN)/python -m docs.generate

bench: $(VENV)/.installed-all ## measure; beside a real Apache Kafka with PEER=kafka
	$(BIN)/python -m benchmarks.bench $(if $(PEER),--peer $(PEER)) $(ARGS)

flamegraph: $(VENV)/.installed-all ## draw where CPU time goes under LOAD=produce|consume|latency|connections|...
	@mkdir -p build
	$(BIN)/python -m benchmarks.hot_spots $(LOAD) --flamegraph build/flamegraph-$(LOAD).svg
	@echo build/flamegraph-$(LOAD).svg

# A command ends with 1 where Ottla is worse than Kafka or misses a limit: that is published, too.
performance: $(VENV)/.installed-all ## measure it all beside a real Kafka, and renew docs/PERFORMANCE.md
	@mkdir -p build
	$(BIN)/python -m benchmarks.bench --peer kafka --json build/bench.json $(ARGS) || [ $$? -eq 1 ]
	$(BIN)/python -m benchmarks.scale --json build/scale.json
	$(BIN)/python -m benchmarks.endurance --peer kafka --json build/endurance.json || [ $$? -eq 1 ]
	$(BIN)/python -m benchmarks.plots build/bench.json build/scale.json build/endurance.json

image: ## build the container image `ottla` with docker, or with ARGS="--build-arg PIP_INDEX_URL=..."
	docker build --file docker/Dockerfile --tag ottla $(ARGS) .

clean: ## remove what make made, but not ./ottla-data
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: pyproject.toml $(BIN)/python
	@echo "Installing Ottla into $(VENV), once; this takes a minute."
	$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/.installed-all: pyproject.toml $(BIN)/python
	$(PIP_INSTALL) --editable '.[test,check,bench]'
	@touch $@ $(VENV)/.installed

$(BIN)/python:
	@for python in $(PYTHON); do \
	    $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || continue; \
	    package=$$($$python -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])'); \
	    $$python -c 'import ensurepip, venv' 2>/dev/null || continue; \
	    exec $$python -m venv $(VENV); \
	done; \
	if [ -n "$$package" ]; then \
	    echo "Python's venv module is incomplete; on Debian or Ubuntu: sudo apt-get install $$package" >&2; \
	else \
	    echo "Ottla needs Python 3.11 or newer; on Debian 12 or Ubuntu 24.04 and later: sudo apt-get install python3 python3-venv" >&2; \
	fi; \
	exit 1
