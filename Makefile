# make help lists what there is to make.

# Names the Python to use, such as PYTHON=python3.12; by default the first that fits.
PYTHON ?=
# Where `make demo` writes.
OUT ?= demo-out
# Checkouts of github.com/KaiyangZhou/deep-person-reid and github.com/yunjey/stargan, for
# `make bench`.
TORCHREID ?=
STARGAN ?=

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help demo test test-addons torture bench bench-serving lint clean distclean venv venv-test

# The environment: its folder, the versions in it, the Pythons that it may be of, and
# what happens where there is none of them. test-addons has one of its own.
VENV := .venv
CONSTRAINTS := constraints.txt
PYTHONS := 3.11 3.12 3.13
NEEDED := tfipgan needs Python 3.11, 3.12 or 3.13
WITHOUT_PYTHON := fail
# Tests, by their place in tests/, that are the same on any TensorFlow: their code calls
# neither it nor Keras (tests/test_architecture.py holds it to that), or they try the
# whole. Left out of test-addons.
ONE_STACK := experiments reports torture world test_architecture.py
ONE_STACK += test_documentation.py test_packaging.py
ONE_STACK += $(filter-out cli/test_common.py,$(patsubst tests/%,%,$(wildcard tests/cli/*.py)))
VENV_PYTHON = $(VENV)/bin/python

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' Makefile
	echo 'PYTHON=python3.12 names the Python to use, OUT=folder where the demo writes.'

demo: venv ## run the whole chain on the built-in world; the results go to OUT
	@.venv/bin/tfipgan demo --out "$(OUT)"

test: lint ## check style, run all tests but the slow ones, with coverage
	@$(VENV_PYTHON) -m pytest --numprocesses auto --dist loadfile \
	  --cov=tfipgan --cov=cli --cov=serving --cov-fail-under=95

test-addons: VENV := .venv-addons
test-addons: CONSTRAINTS := constraints-addons.txt
test-addons: PYTHONS := 3.11
test-addons: NEEDED := tensorflow-addons needs Python 3.11
test-addons: WITHOUT_PYTHON := skip
test-addons: EXTRAS := [addons,test]
test-addons: ## run what TensorFlow can change on 2.15 too; skipped without Python 3.11
	@$(call environment,test,$(EXTRAS))
	$(VENV_PYTHON) -m pytest --numprocesses auto --dist loadfile \
	  $(ONE_STACK:%=--ignore=tests/%)

torture: venv-test ## run the slow tests; kill, corrupt, fuzz for half an hour, with counts
	@$(VENV_PYTHON) -m pytest --slow -m slow --ignore=tests/torture
	$(VENV_PYTHON) -m pytest tests/torture --torture --slow

bench: VENV := .venv-bench
bench: ## measure speed and memory; TORCHREID= and STARGAN= name checkouts
	@if [ ! -d "$(TORCHREID)/torchreid" ] || [ ! -f "$(STARGAN)/solver.py" ]; then
	  echo 'Error: TORCHREID=$(TORCHREID) STARGAN=$(STARGAN): expected the folders of' >&2
	  echo 'checkouts of github.com/KaiyangZhou/deep-person-reid and of' >&2
	  echo 'github.com/yunjey/stargan: make bench TORCHREID=folder STARGAN=folder' >&2
	  exit 1
	fi
	$(call environment,bench,[bench])
	export PATH="$$PWD/$(VENV)/bin:$$PATH" TF_CPP_MIN_LOG_LEVEL=3
	script() { $(VENV_PYTHON) -W ignore tests/bench/"$$@"; }
	script evaluation.py "$(TORCHREID)"
	script extraction.py "$(TORCHREID)"
	script training.py "$(STARGAN)" "$(TORCHREID)"
	script profile_step.py
	script pipelines.py
	script memory.py
	script clustering.py
	script adaptation.py
	script operations.py

bench-serving: venv ## measure the local server on what `make demo` wrote to OUT
	@if [ ! -d "$(OUT)/models" ]; then
	  echo 'Error: $(OUT) holds no models; expected what make demo wrote: run it first' >&2
	  exit 1
	fi
	PATH="$$PWD/.venv/bin:$$PATH" TF_CPP_MIN_LOG_LEVEL=3 $(VENV_PYTHON) -W ignore \
	  tests/bench/serving.py "$(OUT)"

lint: venv-test ## check style and types
	@$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m mypy

clean: ## remove caches and build products; runs, data and environments stay
	@rm -rf build dist *.egg-info .coverage .coverage.* .mypy_cache .pytest_cache
	rm -rf .ruff_cache
	find tfipgan cli serving configs tests -type d -name __pycache__ -prune \
	  -exec rm -rf {} +

distclean: clean ## remove the environments .venv, .venv-addons and .venv-bench too
	@rm -rf .venv .venv-addons .venv-bench

venv: ## make the environment .venv and install the package there
	@$(call environment,run,)

venv-test: ## the same, with what the tests need
	@$(call environment,test,[test])

# $(call environment,NAME,EXTRA): an environment that works, with the package of this
# folder and EXTRA installed. What it was installed from stands in its .installed-NAME,
# so that a second call does nothing. A broken-off call leaves .unfinished there.
define environment
# Run, not looked up: a name on the PATH may stand for a Python that isn't there.
version() { "$$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }
wanted() { case " $(PYTHONS) " in *" $$(version "$$1") "*) ;; *) return 1 ;; esac; }
fail() { echo "Error: $$*" >&2; exit 1; }
skip() { echo "make $@ is skipped: $$*"; exit 0; }
needed='$(NEEDED)'
chosen='$(PYTHON)'
if [ -n "$$chosen" ] && ! wanted "$$chosen"; then
  found=$$(version "$$chosen") || $(WITHOUT_PYTHON) "PYTHON=$$chosen does not run; $$needed"
  $(WITHOUT_PYTHON) "PYTHON=$$chosen is Python $$found; $$needed"
fi
keep() {
  [ ! -e $(VENV)/.unfinished ] && wanted $(VENV_PYTHON) || return 1
  $(VENV_PYTHON) -m pip --version >/dev/null 2>&1 || return 1
  [ -z "$$chosen" ] || [ "$$(version "$$chosen")" = "$$(version $(VENV_PYTHON))" ]
}
if ! keep; then
  bare='' others=''
  if [ -n "$$chosen" ]; then set -- "$$chosen"
  else set -- $(PYTHONS:%=python%) python3; fi
  for name; do
    if ! wanted "$$name"; then
      if found=$$(version "$$name"); then others="$$others $$name is $$found,"; fi
    elif "$$name" -c 'import ensurepip, venv' 2>/dev/null; then
      chosen=$$name bare='' && break
    else
      bare=$${bare:-$$name}
    fi
  done
  if [ -n "$$bare" ]; then
    $(WITHOUT_PYTHON) "$$bare can't make an environment; on Debian: apt install python$$(version "$$bare")-venv"
  fi
  if [ -z "$$chosen" ]; then
    $(WITHOUT_PYTHON) "$$needed; found:$${others:- no Python}$${others:+ none that fits}; PYTHON= can name one"
  fi
  echo "Making $(VENV) with $$chosen (Python $$(version "$$chosen"))" >&2
  rm -rf $(VENV)
  mkdir $(VENV)
  touch $(VENV)/.unfinished
  "$$chosen" -m venv $(VENV)
  rm $(VENV)/.unfinished
fi
state=$$(pwd; version $(VENV_PYTHON); cat setup.cfg $(CONSTRAINTS) | sha256sum)
if [ "$$(cat $(VENV)/.installed-$(1) 2>/dev/null)" != "$$state" ]; then
  echo 'Installing tfipgan$(2) into $(VENV); the first time takes minutes and 2 GB' >&2
  touch $(VENV)/.unfinished
  $(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check \
    --constraint $(CONSTRAINTS) --editable '.$(2)'
  echo "$$state" >$(VENV)/.installed-$(1)
  # What the tests need holds what a run needs.
  echo "$$state" >$(VENV)/.installed-run
  rm $(VENV)/.unfinished
fi
endef
