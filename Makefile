# Every target sets up what it needs, in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: install serve test test-clients bench check clean

install: $(BIN)/penstock

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(BIN)/penstock: $(BIN)/python pyproject.toml setup.py $(wildcard proxy/native*.px*)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $(BIN)/penstock

$(VENV)/.test: $(BIN)/penstock pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[test]'
	@touch $@

$(VENV)/.check: $(VENV)/.test pyproject.toml
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[check]'
	@touch $@

serve: install
	$(BIN)/penstock serve

test: $(VENV)/.test
	$(BIN)/python -m pytest -n 2 --dist loadfile

test-clients: $(VENV)/.test
	$(BIN)/python -m pytest -p no:xdist --clients tests/clients

bench: $(VENV)/.test
	$(BIN)/python -m bench

check: $(VENV)/.check
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build *.egg-info
