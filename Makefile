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
TESTS ?=

.PHONY: help run test check format docs bench clean

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

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
	$(BIN)/python -m benchmarks.bench $(if $(PEER),--peer $(PEER))

clean: ## remove what make made, but not ./ottla-data
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/.installed: pyproject.toml $(BIN)/python
	@echo "Installing Ottla into $(VENV), once; this takes a minute."
	$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/.installed-all: pyproject.toml $(BIN)/python
	$(PIP_INSTALL) --editable '.[test,check]'
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
