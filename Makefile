# make help lists what there is to make.

# Names the Python to use, such as PYTHON=python3.12; by default the first that fits.
PYTHON ?=
# Where `make demo` writes.
OUT ?= demo-out

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help demo test lint clean distclean venv venv-test

VENV_PYTHON := .venv/bin/python

help: ## list these targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' Makefile
	echo 'PYTHON=python3.12 names the Python to use, OUT=folder where the demo writes.'

demo: venv ## run the whole chain on the built-in world; the results go to OUT
	@.venv/bin/tfipgan demo --out "$(OUT)"

test: lint ## check style, run all tests with coverage
	@$(VENV_PYTHON) -m pytest --numprocesses auto --dist loadfile \
	  --cov=tfipgan --cov=cli --cov-fail-under=90

lint: venv-test ## check style and types
	@$(VENV_PYTHON) -m ruff check .
	$(VENV_PYTHON) -m ruff format --check .
	$(VENV_PYTHON) -m mypy

clean: ## remove caches and build products; runs, data and .venv stay
	@rm -rf build dist *.egg-info .coverage .coverage.* .mypy_cache .pytest_cache
	rm -rf .ruff_cache
	find tfipgan cli serving configs tests -type d -name __pycache__ -prune \
	  -exec rm -rf {} +

distclean: clean ## remove the environment .venv too
	@rm -rf .venv

venv: ## make the environment .venv and install the package there
	@$(call environment,run,)

venv-test: ## the same, with what the tests need
	@$(call environment,test,[test])

# $(call environment,NAME,EXTRA): an environment that works, with the package of this
# folder and EXTRA installed. What it was installed from stands in .venv/.installed-NAME,
# so that a second call does nothing. A broken-off call leaves .venv/.unfinished.
define environment
# Run, not looked up: a name on the PATH may stand for a Python that isn't there.
version() { "$$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }
wanted() { case "$$(version "$$1")" in 3.11 | 3.12 | 3.13) ;; *) return 1 ;; esac; }
fail() { echo "Error: $$*" >&2; exit 1; }
needed='tfipgan needs Python 3.11, 3.12 or 3.13'
chosen='$(PYTHON)'
if [ -n "$$chosen" ] && ! wanted "$$chosen"; then
  found=$$(version "$$chosen") || fail "PYTHON=$$chosen does not run; $$needed"
  fail "PYTHON=$$chosen is Python $$found; $$needed"
fi
keep() {
  [ ! -e .venv/.unfinished ] && wanted $(VENV_PYTHON) || return 1
  $(VENV_PYTHON) -m pip --version >/dev/null 2>&1 || return 1
  [ -z "$$chosen" ] || [ "$$(version "$$chosen")" = "$$(version $(VENV_PYTHON))" ]
}
if ! keep; then
  bare='' others=''
  if [ -n "$$chosen" ]; then set -- "$$chosen"
  else set -- python3.11 python3.12 python3.13 python3; fi
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
    fail "$$bare can't make an environment; on Debian: apt install python$$(version "$$bare")-venv"
  fi
  if [ -z "$$chosen" ]; then
    fail "$$needed; found:$${others:- no Python}$${others:+ none that fits}; PYTHON= can name one"
  fi
  echo "Making .venv with $$chosen (Python $$(version "$$chosen"))" >&2
  rm -rf .venv
  mkdir .venv
  touch .venv/.unfinished
  "$$chosen" -m venv .venv
  rm .venv/.unfinished
fi
state=$$(pwd; version $(VENV_PYTHON); cat setup.cfg constraints.txt | sha256sum)
if [ "$$(cat .venv/.installed-$(1) 2>/dev/null)" != "$$state" ]; then
  echo 'Installing tfipgan$(2) into .venv; the first time takes minutes and 2 GB' >&2
  touch .venv/.unfinished
  $(VENV_PYTHON) -m pip install --quiet --disable-pip-version-check \
    --constraint constraints.txt --editable '.$(2)'
  echo "$$state" >.venv/.installed-$(1)
  # What the tests need holds what a run needs.
  echo "$$state" >.venv/.installed-run
  rm .venv/.unfinished
fi
endef
