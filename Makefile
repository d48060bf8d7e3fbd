# Two commands do all the set-up on a fresh machine: 'make demo' and 'make test'.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
WORK ?= demo
SPREAD = -n 2 --dist loadfile --no-loadscope-reorder
VERSION = $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' src/earthenware/__init__.py)
IMAGE ?= ghcr.io/earthenware/earthenware-python
BASE_IMAGE ?= python:3.11-slim-bookworm
BUILD = docker build --build-arg BASE_IMAGE=$(BASE_IMAGE) --build-arg VERSION=$(VERSION) \
	--build-arg REVISION=$$(git rev-parse HEAD) --build-arg CREATED=$$(git log -1 --format=%cI)

.PHONY: help demo test test-system soak lint format pipelines images benchmarks clean distclean install

help:  ## Show the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 16

install: $(STAMP)  ## Create .venv with the pinned environment

# Installed again only when what is to be installed changed.
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(BIN)/python -m pip install --quiet --editable '.[dev,server]'
	touch $@

demo: $(STAMP)  ## The whole graph, offline, on a small synthetic Earth
	$(BIN)/earthenware sandbox $(WORK)/sandbox
	$(BIN)/earthenware init $(WORK)/pretrain.yaml --catalog $(WORK)/sandbox/items.json --root $(WORK)/run --force
	$(BIN)/earthenware run pretrain --spec $(WORK)/pretrain.yaml --set query.validation_percent=33

test: $(STAMP)  ## The tests that need nothing but Python (under 10 minutes)
	$(BIN)/python -m pytest $(SPREAD) -m 'not system and not soak'

test-system: $(STAMP)  ## Services, a browser, containers, pipelines end to end, kills
	$(BIN)/python -m pytest $(SPREAD) -m 'system and not soak'

soak: $(STAMP)  ## Kills, pairs, faulty stores, full disks, damage, absurd items, again and again: half an hour
	$(BIN)/python -m benchmarks.soak

lint: $(STAMP)  ## ruff and mypy --strict
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy src components pipelines benchmarks docs

format: $(STAMP)  ## Format the code
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .

pipelines: $(STAMP)  ## Compile the pipelines anew
	$(BIN)/python -m pipelines

images:  ## Build the container images (needs Docker)
	$(BUILD) --file images/earthenware/Dockerfile --tag $(IMAGE):$(VERSION) .
	$(BUILD) --file images/earthenware-gpu/Dockerfile --tag $(IMAGE)-gpu:$(VERSION) .

benchmarks: $(STAMP)  ## Run every benchmark and write benchmarks/results
	for name in chip_reading; do $(BIN)/python -m benchmarks.$$name || exit 1; done

clean:  ## Remove what the demo made
	rm -rf $(WORK)

distclean: clean  ## Also remove the environment and caches
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
