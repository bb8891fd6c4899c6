# make run: the environment and the whole project on the embedded encoder. make test: the environment and the tests.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready

.PHONY: run test lint clean

run: $(READY)
	$(BIN)/python -m spacy project run all

test: $(READY)
	$(BIN)/python -m pytest

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

$(READY): requirements.txt pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "ner11 needs Python 3.11 or newer: make PYTHON=/path/to/python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation seqeval==1.2.2 --editable .
	touch $@

clean:
	rm -rf .venv corpus $(filter-out training/serving,$(wildcard training/*)) packages/*.whl packages/*.tar.gz packages/triton
