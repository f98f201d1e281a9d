# Two commands do everything on a fresh machine with Python 3.11+ and make:
#   make demo    environment, install, models, data, a real run, the report
#   make test    environment, install, all tests that need the base and test packages only

PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check --quiet
LIMBECK := $(BIN)/limbeck

.PHONY: help demo test unit test-extras check format docs clean

help:
	@sed -n 's/^# \{0,1\}//p' Makefile | head -4

$(VENV)/base: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "limbeck needs Python 3.11 or newer; name one: make PYTHON=python3.12")'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) install --upgrade pip
	$(PIP) install --editable .
	@touch $@

$(VENV)/test: $(VENV)/base
	$(PIP) install --editable '.[test]'
	@touch $@

$(VENV)/dev: $(VENV)/test
	$(PIP) install --editable '.[test,dev]'
	@touch $@

$(VENV)/extras: $(VENV)/test
	$(PIP) install 'torch==2.13.0'
	$(PIP) install --editable '.[test,browser,grammar,interop,oracle,server-test,torch,web]'
	@touch $@

demo: $(VENV)/base
	$(LIMBECK) models pull smollm2-135m-instruct all-minilm-l6-v2 movie-reviews
	$(LIMBECK) run examples/movie-reviews.yaml --run runs/demo
	@echo "Open runs/demo/report.html in a browser."

test: $(VENV)/test
	$(LIMBECK) models pull smollm2-135m-instruct all-minilm-l6-v2 movie-reviews
	$(BIN)/python -m pytest -n 2 -m 'not extras and not model and not slow'
	$(BIN)/python -m pytest -m '(model or slow) and not extras'

unit: $(VENV)/test
	$(BIN)/python -m pytest -n 2 -m 'not extras and not model and not slow'

test-extras: $(VENV)/extras
	$(BIN)/python -m pytest -m extras

check: $(VENV)/dev
	$(BIN)/ruff format --check src tests benchmarks docs
	$(BIN)/ruff check src tests benchmarks docs
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/dev
	$(BIN)/ruff format src tests benchmarks docs
	$(BIN)/ruff check --fix src tests benchmarks docs

docs: $(VENV)/base
	$(BIN)/python docs/reference.py

clean:
	rm -rf $(VENV) build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
