# Each target does the set-up that it needs and is quick when nothing changed.
#   PYTHON=python3.12   the Python to make .venv with (3.11 or newer)
#   JARS=folder         take Delta's jars from a folder instead of Maven Central
#   DATA=folder         datasets for the benchmark model_quality, see benchmarks/quality_data.py
#   ARGS=...            passed on to pytest or to the benchmark

SHELL := /bin/bash
.DEFAULT_GOAL := help
BIN := .venv/bin
SETUP = PYTHON="$(PYTHON)" JARS="$(JARS)" tools/setup

.PHONY: help demo test soak lint bench lock setup clean

help: ## this list
	@sed -n 's/^\([a-z]*\): ## /  make \1\t/p' Makefile
	@sed -n '2,5s/^#   /    /p' Makefile

demo: ## label 23,700 human-rated texts on this machine and look at the result
	@$(SETUP) spark
	@$(BIN)/sparkws demo $(ARGS)

test: ## all tests, the quick ones first
	@$(SETUP) spark dev
	@$(BIN)/python -m pytest $(ARGS)

soak: ## random projects against a plain reference: MINUTES=10 SEED=...
	@$(SETUP) spark dev
	@$(BIN)/python -m tests.soak.run $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED)) $(ARGS)

lint: ## ruff and mypy, as in CI
	@$(SETUP) spark dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

bench: ## a benchmark: B=name SIZE=default|full|small
	@$(SETUP) spark dev
	@DATA="$(DATA)" $(BIN)/python -m benchmarks.run $(B) $(if $(SIZE),--size $(SIZE)) $(ARGS)

setup: ## only the environment, with the development tools
	@$(SETUP) spark dev

lock: ## choose the versions in requirements.lock anew
	@$(SETUP) dev
	@tools/lock

clean: ## remove everything that was made here (not the jars in ~/.cache)
	@rm -rf .venv build dist *.egg-info conf/local .mypy_cache .pytest_cache .ruff_cache .hypothesis
	@rm -rf spark-warehouse metastore_db derby.log .sparkws
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
