# make demo    virtual environment, install, both seed guests placed and shown
# make studies the worked studies of reports/ again
# make reliability  every fault of docs/reliability.md tried and counted anew
# make fuzz    every reader against spoilt samples and the bytes that atheris makes up
# make determinism  the same answers under every supported Python of this machine
# make soak    10,000 solves in one process, and what they leave in its memory
# make docs    the generated parts of docs/ again
# make dist    sdist, wheel, and the hashes of what it needs
# make test    lint, types, layers, tests; PYTHON=python3.12 tests under another Python
PYTHON ?= python3
VENV ?= $(if $(filter python3,$(PYTHON)),.venv,.venv-$(notdir $(PYTHON)))
JOBS ?= 2
PYTEST_ARGS ?=

MAKEFLAGS += --no-print-directory
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PIP_INSTALL = python -m pip --disable-pip-version-check install --quiet
# The programs of the environment come first, for tests that run `placer` by its name.
RUN = PATH="$(abspath $(BIN)):$$PATH"
PYTEST = $(RUN) python -m pytest -n $(JOBS) --dist loadgroup $(PYTEST_ARGS)

.PHONY: help demo test lint types layers unit slow fuzz determinism soak reliability reliability-check wheel-test constraints bench install installed docs dist format clean studies

help:
	@sed -n 's/^# \(make .*\)/\1/p' Makefile
	@echo "also: lint types layers installed unit slow wheel-test bench constraints format clean"

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	    echo "placer needs Python 3.11, 3.12 or 3.13; choose one by PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || { \
	    echo "$(PYTHON) has no venv module; on Debian: sudo apt-get install python3-venv" >&2; exit 1; }
	@echo "installing into $(VENV)" >&2
	@rm -rf $(VENV)
	@$(PYTHON) -m venv $(VENV)
	@$(RUN) $(PIP_INSTALL) --only-binary :all: --require-hashes -r constraints.txt
	@$(RUN) $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

demo: $(STAMP)
	$(BIN)/placer place datasets/seed/rcbig.cfg --host datasets/seed/heatpipe-before-rcbig.toml --fallback --out runs/rcbig
	$(BIN)/placer place datasets/seed/rc9.cfg --host datasets/seed/heatpipe-before-rc9.toml --out runs/rc9
	$(BIN)/placer check runs/rcbig
	$(BIN)/placer check runs/rc9
	$(BIN)/placer export runs/rc9 --format xen-dump-v1 --domid 6
	$(BIN)/placer export runs/rc9 --format numactl

# One after another, so that the first complaint is the last thing printed.
test: $(STAMP)
	@$(MAKE) lint
	@$(MAKE) types
	@$(MAKE) layers
	@$(MAKE) installed
	@$(MAKE) unit

lint: $(STAMP)
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { \
	    echo "not formatted, run make format:" >&2; $(BIN)/ruff format --check; exit 1; }

format: $(STAMP)
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

types: $(STAMP)
	@$(BIN)/mypy

layers: $(STAMP)
	@$(BIN)/lint-imports

installed: $(STAMP)
	@$(RUN) python -m pip --disable-pip-version-check check

unit: $(STAMP)
	@$(PYTEST) -m "not slow" --tried=build/reliability/unit.json

slow: $(STAMP)
	@$(PYTEST) -m slow --tried=build/reliability/slow.json

# Every reader fuzzed, so many inputs each; longer by hand: CONTRIBUTING.md.
fuzz: $(STAMP)
	@$(PYTEST) tests/fuzz/test_readers.py

# The answers to tests/determinism/cases.py under each Python that .ci/pythons finds, compared byte
# by byte. Each has an environment of its own, that of the same version as this one excepted.
CASES ?=

determinism: $(STAMP)
	@rm -rf build/determinism
	@mkdir -p build/determinism
	@set -e; here=$$($(BIN)/python -c 'import sys; print("python%d.%d" % sys.version_info[:2])'); \
	for python in $(BIN)/python $$(bash .ci/pythons); do \
	    name=$$($$python -c 'import sys; print("python%d.%d" % sys.version_info[:2])'); \
	    [ ! -e build/determinism/$$name ] || continue; \
	    venv=$(VENV); [ $$name = $$here ] || venv=.venv-$$name; \
	    [ $$name = $$here ] || $(MAKE) --silent install PYTHON=$$python VENV=$$venv; \
	    $$venv/bin/python -m tests.determinism.cases $(CASES) >build/determinism/$$name; \
	    diff build/determinism/$$here build/determinism/$$name; \
	    echo "$$name: $$(wc -l <build/determinism/$$name) answers, the same bytes as under $$here"; \
	done

# 10,000 solves, whose memory is measured on the way.
soak: $(STAMP)
	@$(RUN) python -m tests.soak.solves

# The table of docs/reliability.md: each fault tried anew and counted. After `make unit` and
# `make slow`, reliability-check holds what they have counted against it.
reliability: $(STAMP)
	@$(PYTEST) -m reliability --tried=build/reliability/all.json
	@$(BIN)/python tests/reliability/table.py write build/reliability/all.json

reliability-check: $(STAMP)
	@$(BIN)/python tests/reliability/table.py check build/reliability/unit.json build/reliability/slow.json

# The wheel that the sdist gives, installed alone, tested with the source folder out of the way.
wheel-test: $(STAMP)
	@rm -rf build/wheel-test
	@mkdir -p build/wheel-test
	@$(RUN) python -m build --no-isolation --outdir build/wheel-test/dist . >build/wheel-test/build.log 2>&1 || { \
	    cat build/wheel-test/build.log >&2; exit 1; }
	@mkdir build/wheel-test/source
	@tar -xzf build/wheel-test/dist/*.tar.gz --strip-components=1 -C build/wheel-test/source
	@rm -r build/wheel-test/source/placer
	@$(PYTHON) -m venv build/wheel-test/venv
	@PATH="$(CURDIR)/build/wheel-test/venv/bin:$$PATH"; \
	    $(PIP_INSTALL) --only-binary :all: --require-hashes -r constraints.txt && \
	    $(PIP_INSTALL) --no-deps build/wheel-test/dist/*.whl && \
	    python -m pip --disable-pip-version-check check && \
	    cd build/wheel-test/source && \
	    PLACER_TEST_INSTALLED=1 python -m pytest -n $(JOBS) -m "not slow" $(PYTEST_ARGS)

# What commands.md, api.md and licences.md show of the program and its dependencies.
docs: $(STAMP)
	@$(BIN)/python -m tests.docs.write

# What is handed out. A date of its own makes the bytes depend on nothing but the source.
dist: $(STAMP)
	@rm -rf dist
	@SOURCE_DATE_EPOCH=1577836800 $(BIN)/python -m build --no-isolation --outdir dist . >/dev/null
	@$(BIN)/python -m tests.packaging.requirements >dist/requirements.txt
	@ls dist

# The worked studies: figures and pictures of reports/*-study-* from datasets/study-*.
studies: study-seed study-fleet study-rebalance

study-%: $(STAMP)
	@$(RUN) sh datasets/study-$*/regenerate.sh build/study-$* reports/2026-11-28-study-$*

bench: $(STAMP)
	@$(BIN)/python benchmarks/startup.py

# Newest versions that all supported Pythons share, with the hashes of every platform's files.
constraints:
	@rm -rf build/constraints
	@$(PYTHON) -m venv build/constraints
	@build/constraints/bin/$(PIP_INSTALL) uv
	@build/constraints/bin/uv pip compile --quiet --universal --fork-strategy fewest --upgrade \
	    --python-version 3.11 --extra test --generate-hashes --no-emit-index-url \
	    --custom-compile-command "make constraints" --output-file constraints.txt pyproject.toml
	@rm -r build/constraints

clean:
	@rm -rf .venv .venv-* build dist .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
