# `make demo` trains and evaluates a model on real text; `make test` runs the tests. Both install docnvil in .venv first.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: help demo test slow mutation torture bench bench-speed bench-gpu bench-rcv1 paper paper-table1 paper-table2 paper-table3 paper-figure1 paper-beyond clean

help:
	@sed -n 's/^\([a-z0-9-]*\):.*## /make \1   /p' Makefile

$(INSTALLED): pyproject.toml constraints.txt
	@echo "Installing docnvil and the packages for its tests in $(VENV): 2 GB, a few minutes."
	@echo "It is 5 GB if pip chooses torch for CUDA. PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu avoids that."
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt torch
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev]'
	touch $(INSTALLED)

demo: $(INSTALLED)  ## build a corpus of 7,000 documents, train, evaluate and embed (in demo/)
	$(BIN)/python benchmarks/demo.py --out demo

test: $(INSTALLED)  ## the default tests, under ten minutes on two cores
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m pytest

slow: $(INSTALLED)  ## the tests that take minutes
	$(BIN)/python -m pytest -m slow

mutation: $(INSTALLED)  ## run the tests on 200 mutants of the core packages: takes hours, resumes when interrupted
	$(BIN)/python tests/mutation.py docnvil/training docnvil/nvil docnvil/model docnvil/analysis --mutants 200 --full

torture: $(INSTALLED)  ## attack docnvil with faults, kills, damaged files and concurrent commands: hours, resumes when interrupted
	PYTHONPATH=tests $(BIN)/python -m torture --write
	$(BIN)/python benchmarks/tables.py --write

bench: $(INSTALLED)  ## measure the quality figures of README and docs/, and write their tables
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,peers]'
	$(BIN)/python benchmarks/quality/newsgroups.py
	$(BIN)/python benchmarks/quality/newsgroups_text.py
	$(BIN)/python benchmarks/quality/calibration.py
	$(BIN)/python benchmarks/quality/peers_figures.py
	$(BIN)/python benchmarks/quality/retrieval.py
	$(BIN)/python benchmarks/quality/frontier.py
	$(BIN)/python benchmarks/quality/time_to_completion.py
	$(BIN)/python benchmarks/quality/other_corpora.py
	$(BIN)/python benchmarks/quality/few_documents.py
	$(BIN)/python benchmarks/quality/large_batches.py
	$(BIN)/python benchmarks/quality/gradients.py
	$(BIN)/python benchmarks/demo.py --keep-results
	$(BIN)/python benchmarks/tables.py --write

bench-speed: $(INSTALLED)  ## measure time and memory, on a machine without other work
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[dev,peers]'
	for name in start step precision wide chains growth fit processes text embed; do $(BIN)/python benchmarks/speed/$$name.py || exit 1; done
	$(BIN)/python benchmarks/tables.py --write

bench-gpu:  ## compare a GPU with the CPU and measure it, in 5 to 8 minutes: with PYTHON=python, in which docnvil is installed
	$(PYTHON) benchmarks/speed/gpu.py
	$(PYTHON) benchmarks/tables.py --write

bench-rcv1: $(INSTALLED)  ## train on 804,414 documents from disk (in rcv1/; resumes when interrupted)
	$(BIN)/python benchmarks/scale/rcv1.py --work rcv1

paper: paper-table1 paper-table2 paper-table3 paper-figure1 paper-beyond  ## rerun the tables of Mnih & Gregor (2014): takes days, resumes when interrupted

paper-table1 paper-table2 paper-table3 paper-figure1 paper-beyond: $(INSTALLED)
	$(BIN)/python benchmarks/paper/train.py $(@:paper-%=%)
	$(BIN)/python benchmarks/tables.py --write

clean:  ## remove the files that the other targets create
	rm -rf $(VENV) demo rcv1 torture paper-models dist build .pytest_cache .ruff_cache .hypothesis
