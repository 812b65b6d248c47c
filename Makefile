# Every target does the set-up it needs. `make help` lists them.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.setup-stamp
PORT ?= 5006
KERNELS := $(shell find workbench -name '*kernel*.py')

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup chromium nightly app lab up check test bench soak lint lock clean

help:  ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

setup: $(STAMP)  ## make .venv and install the locked versions

$(STAMP): requirements.lock pyproject.toml $(KERNELS)
	@$(PYTHON) -c 'import sys; v = sys.version.split()[0]; sys.exit(0 if sys.version_info >= (3, 11) else f"Python 3.11 or newer is needed, found {v}; run: make PYTHON=python3.11 setup")'
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -r requirements.lock
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	$(BIN)/python -m workbench.backtest.warm
	$(BIN)/python -m workbench.features.warm
	@touch $(STAMP)

chromium:  ## a browser for the tests: by apt when root
	@if command -v chromium >/dev/null || command -v google-chrome >/dev/null || command -v chromium-browser >/dev/null; then :; \
	elif [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null; \
	else echo "The browser tests need Chromium: install the package 'chromium' (Debian, Ubuntu: sudo apt-get install chromium), then run this again."; exit 1; fi

nightly: setup  ## run every experiment and write the reports
	@$(BIN)/workbench nightly

app: setup  ## serve the pages on http://127.0.0.1:$(PORT)
	@$(BIN)/workbench app --port $(PORT)

lab: setup  ## open JupyterLab on the notebooks
	@$(BIN)/workbench lab

up: setup  ## app, JupyterLab and MLflow together, Ctrl-C stops all
	@$(BIN)/workbench up

lint: setup  ## ruff, mypy and the floors
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

check: lint  ## the fast part, for daily work
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not slow and not browser and not benchmark and not soak"

test: setup chromium  ## everything, with coverage
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal -m "not benchmark and not soak" --cov=workbench --cov-report=term --cov-fail-under=85

bench: setup  ## speed and memory as ratios, one table
	@$(BIN)/python -m pytest -m benchmark -s -p no:xdist tests/benchmarks

soak: setup  ## the fault tests at their full counts and hours, with their figures
	@$(BIN)/python -m pytest -m soak -s -p no:xdist --timeout=3600

lock:  ## write requirements.lock from the active .venv
	@{ sed -n '/^#/p' requirements.lock; $(BIN)/python -m pip freeze --all --exclude-editable | sed 's/+cpu$$//' | grep -viE '^(pip|wheel)=' | sort -f; } > requirements.lock.new && mv requirements.lock.new requirements.lock

clean:  ## remove caches; data, runs and the environment stay
	@find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis build dist *.egg-info
