# Two commands set everything up: `make demo` (the main job on shipped data) and `make test`.
# Torch is pinned by constraints.txt: an unbounded torch fetches gigabytes of CUDA on Linux.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_PROGRESS_BAR := off

.PHONY: demo test lint types floors unit browser slow format reference web extension clean

demo: $(VENV)/.run
	$(BIN)/gemel demo

test: lint types floors browser unit

lint: $(VENV)/.dev
	$(BIN)/ruff check --output-format concise .
	$(BIN)/ruff format --check -q .

types: $(VENV)/.dev
	$(BIN)/mypy

floors: $(VENV)/.dev
	$(BIN)/lint-imports --no-cache

unit: $(VENV)/.dev
	$(BIN)/python -m pytest

# Playwright's loop does not share a process with other loops, so each folder has its own.
# Without Chromium, or without the bundles that need Node, these tests are skipped and say so.
browser: $(VENV)/.dev
	$(BIN)/python -m pytest -m browser -rs tests/serve
	$(BIN)/python -m pytest -m browser -rs tests/browser
	$(BIN)/python -m pytest -m browser -rs tests/extension

slow: $(VENV)/.dev
	$(BIN)/python -m pytest -m slow

format: $(VENV)/.dev
	$(BIN)/ruff format -q .
	$(BIN)/ruff check --fix -q .

reference: $(VENV)/.dev
	$(BIN)/python docs/make_reference.py

$(VENV)/.run: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing gemel and what it needs (about two minutes, 2 GB with training) …"
	@$(BIN)/python -m pip install -q -e '.[train,evaluate,serve]'
	@touch $@

$(VENV)/.dev: pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install -q -e '.[dev]'
	@touch $@ $(VENV)/.run

# The bundles need Node 20 or later; nothing else does.
web:
	cd web/app && npm ci --no-audit --no-fund && npm run build

extension:
	cd web/extension && npm ci --no-audit --no-fund && npm run zip

clean:
	rm -rf demo-twin .mypy_cache .ruff_cache .pytest_cache .hypothesis
