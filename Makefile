# What one does with this repository. `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

# Any Python that is new enough; `make PYTHON=python3.13 setup` chooses one.
PYTHON ?= $(shell for python in python3 python3.13 python3.12 python3.11; do \
  $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$python && break; done)
# Not empty where Node.js can build the JupyterLab panel.
NODE := $(shell command -v npm >/dev/null && node -e \
  'const [a, b] = process.versions.node.split("."); console.log(+a > 20 || (+a === 20 && +b >= 19) ? "yes" : "")' 2>/dev/null)
NO_NODE := Node.js 20.19 or newer was not found

# So many test files run at a time; most of them wait for processes most of the time.
WORKERS ?= 2

BIN := .venv/bin
PACKAGES := .venv/.packages-installed
PEERS := .venv/.peers-installed
PANEL := .venv/.panel-installed
NODE_MODULES := labextension/node_modules/.package-lock.json
PANEL_SOURCES := $(wildcard labextension/*.json labextension/*.py) \
  $(shell find labextension/src labextension/schema labextension/style -type f 2>/dev/null)

.PHONY: help setup demo test check check-style check-types check-imports check-panel lab docs bench chaos soak clean

help:
	@echo 'make setup   everything into .venv: the package (editable), its tools, the JupyterLab panel'
	@echo 'make demo    a first parallel program'
	@echo 'make test    the checks, then every test'
	@echo 'make check   style, types, import contracts; the same for TypeScript'
	@echo 'make lab     JupyterLab with the extension          (ARGS="...")'
	@echo 'make docs    the reference of the API, into .out/api'
	@echo 'make bench   the workloads against other systems    (ARGS="...")'
	@echo 'make chaos   faults at full size, measured         (ARGS="...")'
	@echo 'make soak    long runs that look for what is rare   (ARGS="...")'
	@echo 'make clean   remove everything that was built or installed'

setup: $(PACKAGES) $(PANEL)

demo: $(PACKAGES)
	@$(BIN)/python examples/scripts/stdlib_survey.py $(ARGS)

# Both run, whatever the checks say, so that one call tells everything; pytest speaks last.
test: setup
	@failed=; $(MAKE) --keep-going check || failed=yes; \
	[ -z "$$failed" ] || echo '== the checks FAILED, see above; now the tests'; \
	$(BIN)/python -m pytest --numprocesses=$(WORKERS) --dist=loadfile $(ARGS) && [ -z "$$failed" ]

check: check-style check-types check-imports check-panel

check-style: $(PACKAGES)
	@echo '== ruff'; $(BIN)/ruff check --quiet . && $(BIN)/ruff format --quiet --check .

check-types: $(PACKAGES)
	@echo '== mypy'; $(BIN)/mypy --no-error-summary

check-imports: $(PACKAGES)
	@echo '== import contracts'; report=$$($(BIN)/lint-imports 2>&1) || { echo "$$report"; exit 1; }

ifdef NODE
check-panel: $(NODE_MODULES)
	@cd labextension; for check in lint format:check types test; do \
	  echo "== labextension: $$check"; \
	  report=$$(npm run --silent "$$check" 2>&1) || { echo "$$report"; exit 1; }; done
else
check-panel:
	@echo '== labextension: skipped, $(NO_NODE)'
endif

lab: setup
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/jupyter lab $(ARGS)

docs: $(PACKAGES)
	@$(BIN)/python -m tests.examples.reference .out/api

bench: $(PEERS)
	@$(BIN)/python -m tests.bench $(ARGS)

chaos: $(PACKAGES)
	@$(BIN)/python -m tests.chaos $(ARGS)

soak: $(PACKAGES)
	@$(BIN)/python -m tests.soak $(ARGS)

clean:
	@rm -rf .venv build dist ipcluster_ext/labextension labextension/lib labextension/node_modules
	@rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	@find ipcluster_ext tests examples -name __pycache__ -type d -prune -exec rm -rf {} +

$(BIN)/python:
	@[ -n '$(PYTHON)' ] || { echo 'No Python 3.11 or newer was found; say PYTHON=...' >&2; exit 1; }
	@echo '== .venv'; $(PYTHON) -m venv .venv

# uv takes a quarter of pip's time, its own installation included; pip does where uv cannot.
# Without the panel: that is a step of its own, which needs Node.js and the sources' dates.
$(PACKAGES): pyproject.toml labextension/package.json | $(BIN)/python
	@echo '== Python packages'
	@export IPCLUSTER_EXT_LABEXTENSION=skip wanted='.[test,check,demo]'; \
	{ $(BIN)/python -m pip install -qq uv \
	  && $(BIN)/uv pip install --quiet --python $(BIN)/python \
	    --reinstall-package ipcluster-ext --editable "$$wanted"; } \
	  || $(BIN)/python -m pip install --quiet --editable "$$wanted"
	@touch $@

ifdef NODE
$(PANEL): $(PACKAGES) $(PANEL_SOURCES)
	@echo '== JupyterLab panel'
	@IPCLUSTER_EXT_LABEXTENSION=require $(BIN)/python -m pip install -qq \
	  --no-deps --no-build-isolation --editable .
	@touch $@
else
$(PANEL): $(PACKAGES)
	@echo '== JupyterLab panel: left out, $(NO_NODE)'
	@[ "$${IPCLUSTER_EXT_LABEXTENSION:-auto}" != require ]
endif

# What our workloads are compared with; the package itself stays as it is.
$(PEERS): $(PACKAGES)
	@echo '== packages to compare with'
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --requirement pyproject.toml --extra bench \
	  || $(BIN)/python -m pip install --quiet --editable '.[bench]'
	@touch $@

$(NODE_MODULES): labextension/package-lock.json
	@echo '== Node packages'
	@cd labextension && npm ci --silent && touch node_modules/.package-lock.json
