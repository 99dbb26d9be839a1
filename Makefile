# Every target does its own set-up on a fresh machine. The two that matter: `make demo` and `make test`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
BIN := .venv/bin

help:  ## what there is
	@sed -nE 's/^([a-z]+):.*## (.*)/make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

setup:  ## create .venv with the kubebox command in it, and install what the machine lacks
	@scripts/setup

demo: setup  ## the quick start and a real job, on this machine
	@$(BIN)/python docs_src/demo.py

test: setup  ## all tests
	@scripts/test

soak: setup  ## the fault and hostile tests in their long forms, and what they measured
	@scripts/soak

check: setup  ## formatting, lint, types, layers, dependencies
	@scripts/check

docs: setup  ## build the documentation into site/, where a broken link is an error
	@$(BIN)/zensical build --clean --strict

bench: setup  ## measure against a bare process, interleaved, as ratios
	@$(BIN)/python -m benchmarks --write

.PHONY: help setup demo test soak check docs bench
