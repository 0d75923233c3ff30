# `make` alone lists the targets. Another Python or environment: make test PYTHON=python3.12 VENV=.venv-3.12

VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed
INSTALLED_FOR_DEMO := $(VENV)/.installed-for-demo
OLDEST_PYSPARK := 4.0.0
PYAIRBYTE := .venv-pyairbyte
IMAGE := build/image/.built
PIP := $(BIN)/python -m pip install -qq --disable-pip-version-check -c constraints.txt
# Mutants that were looked at and change nothing that matters.
SURVIVORS := 44

# Spark's workers must run the Python of the environment; its driver listens on this machine only, whatever the host is called.
export PYSPARK_PYTHON := $(abspath $(BIN)/python)
export PYSPARK_DRIVER_PYTHON := $(PYSPARK_PYTHON)
export SPARK_LOCAL_IP := 127.0.0.1
# Each process of the tests would compile all modules again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo unit test test-all check format docs acceptance mutants bench test-oldest test-versions test-pyairbyte test-framework \
  test-live image test-image submission submission-lakeflow clean java chromium container-tools

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(INSTALLED_FOR_DEMO) ## Read a made-up fleet into ./lake; needs neither a Particle account nor Spark
	@$(BIN)/python -m examples.demo

unit: $(INSTALLED) ## Run the tests of rules and edges, without a server and without Spark: a minute
	$(BIN)/python -m pytest -q -n 3 unit_tests

test: java chromium $(INSTALLED) ## Run the tests, in random order: 7 to 9 minutes
	$(BIN)/python -m pytest -q -n 3 --dist loadgroup

test-all: java chromium $(INSTALLED) ## Run all tests, with more made-up values and the whole matrix of docs/matrix.md: 45 minutes
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup -m "not image_tests" --hypothesis-profile=slow --whole-matrix

check: $(INSTALLED) ## Lint, format, types, and whether generated files are up to date
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/python -m docs.generate --check

format: $(INSTALLED) ## Format the code, and fix what the linter can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: $(INSTALLED) ## Generate the documentation that is derived from the manifest
	$(BIN)/python -m docs.generate

acceptance: $(INSTALLED) ## Run Airbyte's acceptance tests by Airbyte's own command
	$(BIN)/python -m integration_tests.airbyte.acceptance

mutants: $(INSTALLED) ## Change the code of windows, plans, rows and pages bit by bit, and see that a unit test notices
	$(BIN)/mutmut run
	@$(BIN)/mutmut results | awk '{ print } / survived$$/ { left++ } END { if (left > $(SURVIVORS)) { \
	  print left " live, more than the $(SURVIVORS) that docs/decisions/0006-mutants-that-live.md explains" > "/dev/stderr"; \
	  exit 1 } }'

bench: java $(INSTALLED) $(PYAIRBYTE)/.installed ## Measure what a read costs, compared with a plain reader: benchmarks/README.md
	@$(PIP) -e '.[bench]'
	$(BIN)/python -m benchmarks

test-oldest: java ## Run the tests of Spark with the oldest PySpark that works
	$(MAKE) --no-print-directory run-test-oldest VENV=.venv-oldest

test-versions: $(INSTALLED) ## Read with the wheel on every Python and with the oldest and newest CDK that it may meet
	$(BIN)/python -m integration_tests.project.versions

test-pyairbyte: $(PYAIRBYTE)/.installed ## Let PyAirbyte read all tables into DuckDB, in an environment of its own
	$(PYAIRBYTE)/bin/python -m pytest -q integration_tests/airbyte/pyairbyte_suite.py

test-framework: java $(INSTALLED) ## Run the Lakeflow framework's own tests on our connector: FRAMEWORK=<its checkout>
ifeq ($(FRAMEWORK),)
	@echo "Skipped: the Lakeflow framework is on no package registry. Name a checkout of it: make $@ FRAMEWORK=<folder>"
else
	PYTHONPATH=$(abspath $(FRAMEWORK))/src:$(abspath $(FRAMEWORK)) $(BIN)/python -m pytest -q integration_tests/lakeflow/framework_suite.py
endif

test-live: $(INSTALLED) ## Read a real account, PARTICLE_ACCESS_TOKEN, with at most 50 requests, and say what differs; other tables: TABLES="..."
	@$(BIN)/python -m integration_tests.live $(TABLES)

image: $(IMAGE) ## Build the image of the source without Docker, as root

$(IMAGE): $(INSTALLED) Dockerfile manifest.yaml pyproject.toml constraints.txt $(wildcard source_particle/*.py bridge/*.py bridge/*/*.py)
	@$(MAKE) --no-print-directory container-tools
	$(BIN)/python -m integration_tests.project.image
	@touch $@

submission-lakeflow: $(INSTALLED) ## Put the source into a checkout of the Lakeflow framework: DIR=<folder>
	@$(BIN)/python -m docs.lakeflow "$(DIR)"

submission: $(INSTALLED) ## Lay out the connector for Airbyte's repository and try its rules: DIR=<new folder>
	@$(BIN)/python -m docs.submission "$(DIR)"

test-image: image ## Run the image as Airbyte does; prints its size and how long it takes to start
	$(BIN)/python -m pytest -q -m image_tests integration_tests/project/test_image.py

clean: ## Remove what was built; the virtual environment stays, and so does what was read
	rm -rf build dist spark-warehouse metastore_db derby.log .tmp .pytest_cache .mypy_cache .ruff_cache .hypothesis mutants

# ---- what the targets stand on ----

SUITABLE := import sys, ensurepip, venv; sys.exit(not (3, 10) <= sys.version_info[:2] <= (3, 13))
SUITABLE_FOR_PYAIRBYTE := import sys, ensurepip, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 12))

# Both stand in one environment. pip's warnings are about the settings of the machine; its errors show.
$(INSTALLED): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing what the tests need into $(VENV): two minutes"
	@$(PIP) -e '.[spark,cli,report,demo,dev]'
	@touch $@ $(INSTALLED_FOR_DEMO)

$(INSTALLED_FOR_DEMO): pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing what the demo needs into $(VENV): a minute"
	@$(PIP) -e '.[cli,report,demo]'
	@touch $@

$(BIN)/python:
	@for python in $(or $(PYTHON),python3 python3.13 python3.12 python3.11 python3.10); do \
	  if $$python -c '$(SUITABLE)' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
	  echo "No Python 3.10 to 3.13 with venv was found$(if $(PYTHON), as $(PYTHON)). Install one (Debian, Ubuntu:" \
	    "apt-get install python3-venv), or name it: make PYTHON=/path/to/python3" >&2; \
	  exit 1; \
	fi; \
	echo "Creating $(VENV) with $$found"; \
	$$found -m venv $(VENV)

$(PYAIRBYTE)/.installed: pyproject.toml examples/pyairbyte/constraints.txt
	@for python in $(or $(PYTHON),python3.12 python3.11 python3); do \
	  if $$python -c '$(SUITABLE_FOR_PYAIRBYTE)' 2>/dev/null; then found=$$python; break; fi; \
	done; \
	if [ -z "$${found:-}" ]; then \
	  echo "PyAirbyte needs Python 3.11 or 3.12 with venv. Install one, or name it: make $@ PYTHON=/path/to/python3" >&2; \
	  exit 1; \
	fi; \
	[ -x $(PYAIRBYTE)/bin/python ] || $$found -m venv $(PYAIRBYTE)
	$(PYAIRBYTE)/bin/python -m pip install -qq --disable-pip-version-check -c examples/pyairbyte/constraints.txt \
	  -e . airbyte duckdb httptools hypothesis jsonschema pytest trustme
	@touch $@

# The constraints are for the newest PySpark, all else is as in `make test`; this one leaves sockets of its own open.
.PHONY: run-test-oldest
run-test-oldest:
	@if ! [ $(INSTALLED) -nt pyproject.toml ] || ! [ $(INSTALLED) -nt constraints.txt ]; then \
	  set -e; \
	  $(or $(PYTHON),python3) -m venv $(VENV); \
	  grep -vE '^(pyspark|py4j)==' constraints.txt > $(VENV)/constraints.txt; \
	  $(BIN)/python -m pip install -qq --disable-pip-version-check -c $(VENV)/constraints.txt \
	    -e '.[spark,cli,report,demo,dev]' 'pyspark==$(OLDEST_PYSPARK)'; \
	  touch $(INSTALLED); \
	fi
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup -W "ignore::pytest.PytestUnraisableExceptionWarning" \
	  unit_tests/bridge integration_tests/lakeflow/test_contract.py \
	  integration_tests/spark

# Spark 4 needs Java 17 or newer; it looks in JAVA_HOME, then in PATH.
java:
	@version() { "$${JAVA_HOME:+$$JAVA_HOME/bin/}java" -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | grep . || echo 0; }; \
	if [ "$$(version)" -ge 17 ]; then exit 0; fi; \
	if [ "$$(id -u)" = 0 ]; then as_root=; elif sudo -n true 2>/dev/null; then as_root="sudo -n"; else as_root=no; fi; \
	if [ -n "$${JAVA_HOME:-}" ] || [ "$$as_root" = no ] || ! command -v apt-get >/dev/null; then \
	  echo "Spark needs Java 17 or newer, and $${JAVA_HOME:-PATH} has none. Install a Java runtime (Debian, Ubuntu:" \
	    "apt-get install openjdk-17-jre-headless), or set JAVA_HOME to one." >&2; \
	  exit 1; \
	fi; \
	echo "Installing a Java runtime for Spark: a minute"; \
	said=$$($$as_root apt-get update -q 2>&1; \
	  for package in openjdk-17-jre-headless openjdk-21-jre-headless default-jre-headless; do \
	    $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends $$package 2>&1 && break; \
	  done); \
	if [ "$$(version)" -lt 17 ]; then \
	  echo "$$said" >&2; \
	  echo "apt-get has no Java 17 or newer: install one and set JAVA_HOME." >&2; \
	  exit 1; \
	fi

# The report is looked at in a real browser.
chromium:
	@for name in chromium chromium-browser google-chrome; do if command -v $$name >/dev/null; then exit 0; fi; done; \
	if [ "$$(id -u)" = 0 ]; then as_root=; elif sudo -n true 2>/dev/null; then as_root="sudo -n"; else as_root=no; fi; \
	if [ "$$as_root" = no ] || ! command -v apt-get >/dev/null; then \
	  echo "The tests of the report need Chromium. Install it (Debian, Ubuntu: apt-get install chromium)." >&2; \
	  exit 1; \
	fi; \
	echo "Installing Chromium for the tests of the report"; \
	$$as_root apt-get update -qq && \
	  $$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -qqy --no-install-recommends chromium >/dev/null

# buildah makes and runs an image without a daemon; debootstrap makes what it stands on.
container-tools:
	@if [ "$$(id -u)" != 0 ]; then echo "Only root can do this without Docker: sudo make image. With Docker: docker build ." >&2; exit 1; fi; \
	if command -v buildah >/dev/null && command -v debootstrap >/dev/null; then exit 0; fi; \
	if ! command -v apt-get >/dev/null; then echo "Install buildah and debootstrap." >&2; exit 1; fi; \
	echo "Installing buildah and debootstrap"; \
	apt-get update -q && DEBIAN_FRONTEND=noninteractive apt-get install -qy --no-install-recommends buildah debootstrap
