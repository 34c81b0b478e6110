# Every target sets up what it needs, in .venv.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

COMPILED := build/compiled/penstock

.PHONY: install serve test test-clients compiled test-compiled bench check clean

install: $(BIN)/penstock

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(BIN)/penstock: $(BIN)/python pyproject.toml
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

# Compiled modules would be imported in the place of the files beside them: they get a copy of everything for themselves.
compiled: $(VENV)/.check
	rm -rf build/compiled
	mkdir -p $(COMPILED)
	git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t $(COMPILED)
	test ! -d ../shared || ln -s ../../../shared build/compiled/shared
	cd $(COMPILED) && PENSTOCK_COMPILE=1 $(CURDIR)/$(BIN)/python setup.py --quiet build_ext --inplace

test-compiled: compiled
	cd $(COMPILED) && PYTHONPATH=$(CURDIR)/$(COMPILED) $(CURDIR)/$(BIN)/python -m pytest -n 2 --dist loadfile

bench: $(VENV)/.test
	$(BIN)/python -m bench

check: $(VENV)/.check
	$(BIN)/ruff check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) build *.egg-info
