# Everything runs in .venv; nothing is installed elsewhere.
PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt

.PHONY: demo test check format clean

demo: .venv/.demo ## profile this machine, search, verify and report, within minutes
	$(BIN)/nas demo

test: .venv/.test ## every test
	$(BIN)/python -m pytest

check: .venv/.check ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/.check
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf .venv

.venv/.made:
	$(PYTHON) -m venv .venv
	touch $@

.venv/.demo: .venv/.made pyproject.toml constraints.txt
	$(PIP) -e '.[data]'
	touch $@

.venv/.test: .venv/.made pyproject.toml constraints.txt
	$(PIP) -e '.[test]'
	touch $@

.venv/.check: .venv/.made pyproject.toml constraints.txt
	$(PIP) -e '.[test,check]'
	touch $@
