# Needs python3 (>= 3.11) and make; everything else is installed into .venv by the first target that needs it.

PRESET ?= quick
# every folder of analyses/ that holds code, less what they share
ANALYSES ?= $(filter-out common report,$(sort $(patsubst analyses/%/,%,$(dir $(wildcard analyses/*/*.py)))))

PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
PAGE := build/report/index.html
DOCS := build/docs

DATA := $(ANALYSES:%=build/$(PRESET)/%.npz)
DRAWN := $(ANALYSES:%=build/figures/$(PRESET)/%.made)
PRESET_PAGE := build/$(PRESET)/report.html

# LAPACK calls here are small and many: threads of its own only get in each other's way.
export OPENBLAS_NUM_THREADS ?= 1

# The suite runs once per precision, side by side; spare cores become xdist workers of each run.
CORES := $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
WORKERS := $(shell echo $$(( $(CORES) / 2 > 1 ? $(CORES) / 2 : 0 )))
PYTEST := $(PY) -m pytest -q --durations=20 -n $(WORKERS) --dist loadfile $(TESTS)
GROUPED := $(if $(filter output-sync,$(.FEATURES)),-Otarget)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
.PHONY: help report figures check test test-all test-float32 test-float64 docs bench lint clean

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
	@XLA_FLAGS= JAX_DISABLE_MOST_OPTIMIZATIONS=0 $(MAKE) --no-print-directory -j2 -k $(GROUPED) test-float32 test-float64 TESTS='-m "not data" $(TESTS)'

test-float32: $(VENV)/.test
	@JAX_ENABLE_X64=0 $(PYTEST) -o cache_dir=build/pytest/float32

test-float64: $(VENV)/.test
	@JAX_ENABLE_X64=1 $(PYTEST) -o cache_dir=build/pytest/float64

check: report $(VENV)/.test  ## look at the numbers and figures of the quick report
	@echo "check     the data of the report"
	@JAX_ENABLE_X64=0 $(PY) -m pytest -q -m data -o cache_dir=build/pytest/check tests/analyses
	@JAX_ENABLE_X64=1 $(PY) -m pytest -q -m data -o cache_dir=build/pytest/check tests/analyses

# Every page is read and run anew: nobody writes down which code a page depends on.
docs: $(VENV)/.docs  ## build the documentation, run what is in it: build/docs/index.html
	@echo "docs      $(DOCS)/index.html"
	@rm -rf $(DOCS)
	@$(PY) -m sphinx -W --keep-going -q -j $(CORES) -d build/doctrees docs $(DOCS) -E
	@$(PY) docs/check_links.py $(DOCS)

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

# Data, figures, page. Each step writes down beside its result which files of the project it used
# (analyses/common/made_from.py) and runs again when one of them has changed.

# The files of such a list; FORCE, which is always new, if the list is missing, cut short or damaged,
# or if one of its files is gone.
define made_from
$(shell awk '/^# whole [0-9]+$$/ {if ($$3 == n) whole = 1; next} \
  whole || !/^(rnnjac|analyses)\/[a-z0-9_\/.]+$$/ || (getline line < $$0) < 0 {bad = 1; exit} \
  {close($$0); n++; files = files " " $$0} \
  END {print whole && !bad ? files : "FORCE"}' $(1) 2>/dev/null || echo FORCE)
endef

.PHONY: FORCE
FORCE:

.SECONDEXPANSION:

build/$(PRESET)/%.npz: $$(call made_from,build/$(PRESET)/$$*.made) | $(VENV)/.report
	@echo "compute   $* ($(PRESET))"
	@$(PY) -m analyses compute $* --preset $(PRESET)

build/figures/$(PRESET)/%.made: build/$(PRESET)/%.npz $$(call made_from,build/figures/$(PRESET)/$$*.made) | $(VENV)/.report
	@echo "draw      $*"
	@$(PY) -m analyses draw $* --preset $(PRESET)

$(PRESET_PAGE): $(DATA) $(DRAWN) analyses $$(call made_from,$(PRESET_PAGE:.html=.made))
	@echo "page      $@"
	@$(PY) -m analyses page $(ANALYSES) --preset $(PRESET) --out $@

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

$(VENV)/.docs: pyproject.toml | $(PY)
	$(call install,docs$(comma)interop)

$(VENV)/.lint: pyproject.toml | $(VENV)/.test
	$(call install,analyses$(comma)test$(comma)interop$(comma)dev)

$(VENV)/.bench: pyproject.toml | $(VENV)/.report
	$(call install,analyses$(comma)bench)

comma := ,
