# `make train` and `make test` need Python 3.10 to 3.13 and make, nothing else; `make help` lists all.

PYTHON  ?=
VENV    ?= .venv
PEERS   ?= .venv-peers
CONFIG  ?= digits
WORKDIR ?= runs/$(CONFIG)
WORKERS ?= 2
PYTEST_ARGS ?=
BENCHMARK_ARGS ?=

BIN := $(VENV)/bin
export PIP_DISABLE_PIP_VERSION_CHECK := 1
export PIP_NO_INPUT := 1
# Errors alone: pip's warnings are about its own affairs.
PIP_INSTALL := $(BIN)/python -m pip install -qq

.PHONY: help train test test-rest test-quick lint docs benchmark clean
.DEFAULT_GOAL := help

help:
	@echo "make train   install into $(VENV), train on the handwritten digits of scikit-learn,"
	@echo "             print the results and where the figures are (CONFIG=mnist: another config)"
	@echo "make test    install with what the tests need, lint, run the tests"
	@echo "make test-rest  the long journeys and the further cases that make test leaves out"
	@echo "make test-quick  the values and refusals alone, in the inner loop: a minute and a half"
	@echo "make docs    build the pages of docs and the API reference into site"
	@echo "make benchmark  time tfvae beside its peers (PyTorch, pythae, JAX, installed into"
	@echo "             $(PEERS)), write benchmarks/RESULTS.md; some 15 minutes on two quiet cores"
	@echo "make clean   remove $(VENV), $(PEERS) and what was built (runs/ stays)"
	@echo "Python 3.10 to 3.13 is looked for; name one with PYTHON=/path/to/python"

train: $(VENV)/installed
	$(BIN)/tfvae-train --config=configs/$(CONFIG).py --workdir=$(WORKDIR)

lint: $(VENV)/installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

# Most of a test's time is tracing in Python, on one core: two processes take half of it. A file's
# tests stay in one process, for what they share, and the processes leave the cores to each other.
# The order is that of tests/conftest.py, the longest files first.
PYTEST := TF_NUM_INTRAOP_THREADS=1 $(BIN)/python -m pytest -n $(WORKERS) --dist loadscope \
    --no-loadscope-reorder
test: lint
	$(PYTEST) -m "not exhaustive" $(PYTEST_ARGS)

test-rest: lint
	$(PYTEST) -m exhaustive $(PYTEST_ARGS)

# The values: no process is started, little is trained, nothing is saved.
QUICK ?= tests/test_schedules.py tests/test_metrics.py tests/test_losses.py \
    tests/test_architecture.py tests/distributions tests/objectives/test_elbo.py \
    tests/data/test_batches.py tests/data/test_splits.py tests/data/test_registry.py \
    tests/networks/test_mlp.py tests/priors/test_standard_normal.py
test-quick: lint
	$(PYTEST) -m "not exhaustive" $(QUICK) $(PYTEST_ARGS)

# Strict: a link that leads nowhere or a docstring that cannot be read fails it.
docs: $(VENV)/installed-docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "The pages are in site/index.html"

benchmark: $(VENV)/installed
	$(BIN)/python -m benchmarks.compare --peers_dir=$(PEERS) $(BENCHMARK_ARGS)

# Editable: a change of the code needs no new install, a change of setup.py does.
$(VENV)/installed: setup.py | $(VENV)/created
	@echo "Installing tfvae, TensorFlow and Keras into $(VENV): some 2.5 GB, a minute or two ..."
	@$(PIP_INSTALL) --editable .
	@touch $@

$(VENV)/installed-test: setup.py $(VENV)/installed
	@echo "Installing what the tests need ..."
	@$(PIP_INSTALL) --editable ".[test]"
	@touch $@

$(VENV)/installed-docs: setup.py $(VENV)/installed
	@echo "Installing what the pages need ..."
	@$(PIP_INSTALL) --editable ".[docs]"
	@touch $@

# A name on the PATH may be a shim without a Python behind it, and Debian's Python comes without
# ensurepip: each candidate is run before it is taken.
$(VENV)/created:
	@for python in $(or $(PYTHON),python3.13 python3.12 python3.11 python3.10 python3 python); do \
	    if "$$python" -c 'import sys, ensurepip; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))' \
	        > /dev/null 2>&1; then \
	        echo "Making $(VENV) with $$("$$python" -V)"; \
	        "$$python" -m venv "$(VENV)" && touch $@; exit; \
	    fi; \
	done; \
	echo "tfvae needs Python 3.10, 3.11, 3.12 or 3.13 with its venv module:" \
	    "$(or $(PYTHON:%=% is none),none was found on the PATH)." \
	    "Install one (Debian, Ubuntu: apt install python3-venv) or name one: make PYTHON=/path/to/python" >&2; \
	exit 1

clean:
	rm -rf $(VENV) $(PEERS) build dist site *.egg-info .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
