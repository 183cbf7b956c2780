# Needs python3 (>= 3.11) and make; everything else is installed into .venv by the first target that needs it.

PRESET ?= quick
ANALYSES ?= reference_checks eigenvalue_decay lstm_carousel relu_and_identity trained_digits gates_learn cliff temporal_order char_text flossing_effect

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PAGE := build/report/index.html

# What a number depends on: the library less its drawing and its adapters, and how data are stored.
LIBRARY := $(filter-out rnnjac/plot.py rnnjac/interop/%,$(shell find rnnjac -name '*.py'))
STORAGE := analyses/cli.py analyses/record.py analyses/progress.py

DATA := $(ANALYSES:%=build/$(PRESET)/%.npz)
DRAWN := $(ANALYSES:%=build/figures/$(PRESET)/.%.drawn)
PRESET_PAGE := build/$(PRESET)/report.html

# LAPACK calls here are small and many: threads of its own only get in each other's way.
export OPENBLAS_NUM_THREADS ?= 1

# The suite runs once per precision, side by side; spare cores become xdist workers of each run.
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
WORKERS := $(shell echo $$(( $(CORES) / 2 > 1 ? $(CORES) / 2 : 0 )))
PYTEST := $(PY) -m pytest -q -n $(WORKERS) --dist loadfile $(TESTS)
GROUPED := $(if $(filter output-sync,$(.FEATURES)),-Otarget)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help report figures test test-all test-float32 test-float64 bench lint clean

help:  ## show this list
	@echo "make TARGET [PRESET=quick|standard|paper]"
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1|\2/p' Makefile | awk -F'|' '{printf "%-10s %s\n", $$1, $$2}'

report: $(PRESET_PAGE)  ## compute what changed, draw it and write build/report/index.html
	@mkdir -p $(dir $(PAGE))
	@cmp -s $< $(PAGE) || cp $< $(PAGE)
	@echo "report    $(PAGE) ($(PRESET))"

figures: $(DRAWN)  ## compute and draw without writing the page
	@echo "figures   build/figures/$(PRESET)"

test: $(VENV)/.test  ## run the suite in float32 and in float64, without its slow tests
	@echo "test      float32 and float64, side by side"
	@$(MAKE) --no-print-directory -j2 -k $(GROUPED) test-float32 test-float64

test-all: $(VENV)/.test  ## with the slow tests too, and with code as XLA optimises it
	@echo "test-all  float32 and float64, side by side"
	@XLA_FLAGS= JAX_DISABLE_MOST_OPTIMIZATIONS=0 $(MAKE) --no-print-directory -j2 -k $(GROUPED) test-float32 test-float64 TESTS='-m "" $(TESTS)'

test-float32: $(VENV)/.test
	@JAX_ENABLE_X64=0 $(PYTEST) -o cache_dir=build/pytest/float32

test-float64: $(VENV)/.test
	@JAX_ENABLE_X64=1 $(PYTEST) -o cache_dir=build/pytest/float64

bench: $(VENV)/.bench  ## time rnnjac beside other packages (QUICK=1: some 2 minutes)
	@echo "bench     $(if $(QUICK),quick,full)"
	@$(PY) -m benchmarks $(if $(QUICK),--quick)

lint: $(VENV)/.lint  ## check style, formatting and types
	@echo "lint      ruff, pyright"
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@PYRIGHT_PYTHON_IGNORE_WARNINGS=1 $(PY) -m pyright

clean:  ## remove everything built, the environment too
	rm -rf build $(VENV) .pytest_cache .ruff_cache .hypothesis
	find rnnjac analyses benchmarks tests -name __pycache__ -type d -prune -exec rm -rf {} +

# Data, figures, page. Each step runs only when something it reads has changed.

build/$(PRESET)/%.npz: analyses/%.py $(LIBRARY) $(STORAGE) | $(VENV)/.report
	@echo "compute   $* ($(PRESET))"
	@$(PY) -m analyses.$* compute --preset $(PRESET) --out $@

# modules that one analysis alone imports
build/$(PRESET)/reference_checks.npz: analyses/meanfield.py \
  analyses/reference_products.py analyses/reference_networks.py
build/$(PRESET)/eigenvalue_decay.npz: analyses/meanfield.py \
  $(addprefix analyses/decay_,identities.py examples.py networks.py gain.py training.py verdicts.py)
build/figures/$(PRESET)/.eigenvalue_decay.drawn: analyses/decay_figures.py analyses/decay_panels.py
build/$(PRESET)/lstm_carousel.npz: \
  $(addprefix analyses/carousel_,flow.py terms.py rates.py ablation.py verdicts.py)
build/figures/$(PRESET)/.lstm_carousel.drawn: \
  analyses/carousel_figures.py analyses/carousel_panels.py
build/$(PRESET)/relu_and_identity.npz: analyses/relu_networks.py
build/figures/$(PRESET)/.relu_and_identity.drawn: analyses/relu_figures.py
build/$(PRESET)/trained_digits.npz: analyses/digits.py analyses/digits_figures.py
build/figures/$(PRESET)/.trained_digits.drawn: analyses/digits_figures.py
build/$(PRESET)/gates_learn.npz: analyses/digits.py \
  $(addprefix analyses/gates_,training.py measure.py summary.py verdict.py figures.py)
build/figures/$(PRESET)/.gates_learn.drawn: analyses/gates_figures.py analyses/gates_verdict.py
build/$(PRESET)/cliff.npz: $(addprefix analyses/cliff_,surface.py folds.py figures.py) \
  analyses/reference_checks.py
build/figures/$(PRESET)/.cliff.drawn: analyses/cliff_figures.py
build/$(PRESET)/temporal_order.npz: \
  $(addprefix analyses/order_,networks.py training.py measure.py verdicts.py captions.py) \
  analyses/resume.py
build/figures/$(PRESET)/.temporal_order.drawn: \
  $(addprefix analyses/order_,figures.py panels.py captions.py)
build/$(PRESET)/char_text.npz: analyses/resume.py \
  $(addprefix analyses/char_,data.py training.py measure.py figures.py)
build/figures/$(PRESET)/.char_text.drawn: analyses/char_figures.py
build/$(PRESET)/flossing_effect.npz: analyses/reference_checks.py analyses/resume.py \
  $(addprefix analyses/flossing_,networks.py training.py verdict.py figures.py)
build/figures/$(PRESET)/.flossing_effect.drawn: \
  analyses/flossing_figures.py analyses/flossing_verdict.py

build/figures/$(PRESET)/.%.drawn: build/$(PRESET)/%.npz $(wildcard rnnjac/plot.py) | $(VENV)/.report
	@echo "draw      $*"
	@$(PY) -m analyses.$* draw --data $< --out $(@D)
	@touch $@

$(PRESET_PAGE): $(DATA) $(DRAWN) analyses/report.py analyses/report.html.j2 analyses/claims.py
	@echo "page      $@"
	@$(PY) -m analyses.report --data build/$(PRESET) --figures build/figures/$(PRESET) --out $@ $(ANALYSES)

# The environment, one stamp for each set of extras; pyproject.toml renews them all.

define install
	@echo "install   rnnjac[$(1)]"
	@$(PY) -m pip install -qq --disable-pip-version-check --editable ".[$(1)]"
	@touch $@
endef

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || \
	  { echo "python 3.11 or later is needed; found $$($(PYTHON) --version 2>&1 | head -n 1)"; exit 1; }
	@echo "create    $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

$(VENV)/.report: pyproject.toml | $(PY)
	$(call install,analyses)

# PyTorch is compared with, never needed. "+cpu" is no version of the package index, so pip takes a
# build for the CPU from the places it is set up with, or none: never gigabytes of CUDA.
TORCH := torch==2.13.0+cpu

$(VENV)/.test: pyproject.toml | $(VENV)/.report
	$(call install,analyses$(comma)test$(comma)interop)
	@$(PY) -m pip install -qq --disable-pip-version-check "$(TORCH)" 2>/dev/null || \
	  echo "install   no $(TORCH) for this machine: the comparisons with it will not run"

$(VENV)/.lint: pyproject.toml | $(VENV)/.test
	$(call install,analyses$(comma)test$(comma)interop$(comma)dev)

$(VENV)/.bench: pyproject.toml | $(VENV)/.report
	$(call install,analyses$(comma)bench)

comma := ,
