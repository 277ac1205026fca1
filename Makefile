# make demo and make test work on a machine that has only Python (>= 3.11, with venv) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
MODEL ?= llava-small
export TOKENIZERS_PARALLELISM := false
export HF_HUB_DISABLE_TELEMETRY := 1

.PHONY: help install demo test check figures docs constraints clean

help:
	@echo "make demo         run the main job on a shipped organism, write tables and figures to figures/"
	@echo "make test         linters, types, layer contracts, then the whole test suite"
	@echo "make figures      draw the paper's figures and tables from a stored run (RUN=... to choose one)"
	@echo "make docs         rewrite the pages of docs/ that are made from the code (cli, methods, organisms)"
	@echo "make install      only create $(VENV) and install"
	@echo "make constraints  rewrite constraints.txt from the current $(VENV)"
	@echo "make clean        remove what is made (not the environment)"

install: $(VENV)/installed

# torch comes first and alone: with the exact version already there, nothing else asks for another build of it.
$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -c "import sys; sys.exit(sys.version_info < (3, 11) and 'scr_lens needs Python 3.11 or newer')"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "$$(grep '^torch==' constraints.txt)"
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[notebooks,dev]"
	touch $@

demo: install
	$(BIN)/scr-lens demo --model $(MODEL) --out figures

check: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The paper's figures and tables from the stored demo run; RUN=... for another run or an experiment.
RUN ?= $(firstword $(wildcard runs/experiment-$(MODEL)-*) $(wildcard runs/demo-$(MODEL)-*))
figures: install
	$(if $(RUN),,$(BIN)/scr-lens demo --model $(MODEL) --out figures)
	$(BIN)/scr-lens figures --run $(or $(RUN),$$(ls -d runs/demo-$(MODEL)-* | head -1)) --out figures/paper-$(MODEL)

test: check
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --dist loadfile

# Run it after a command, an option or a method changed; a test fails where the pages are not current.
docs: install
	$(BIN)/python -m scr_lens.cli.reference docs

constraints:
	(echo "# Exact versions that make demo and make test install; made by 'make constraints' from a working environment."; \
	$(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu//') > constraints.new && mv constraints.new constraints.txt

clean:
	rm -rf build dist runs figures/demo .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
