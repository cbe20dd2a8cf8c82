# Python 3.11+ and make are all that this needs; everything else is fetched by name and verified by hash.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PEERS  := $(VENV)-peers
MEMBERS := schemas services/chassis services/intake services/matcher services/notifier services/sla-monitor deploy/local
PACKAGES := schemas/peerline services/chassis/chassis services/intake/intake services/matcher/matcher \
            services/notifier/notifier services/sla-monitor/sla_monitor deploy/local/peerline_local
SOURCES := schemas services deploy tests

.PHONY: setup demo test check bench test-long lock format clean

setup: $(VENV)/.installed  ## environment and downloads
	@$(BIN)/peerline setup

$(VENV)/.installed: requirements.lock pyproject.toml $(MEMBERS:%=%/pyproject.toml)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Peerline needs Python 3.11 or later")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation $(MEMBERS:%=-e %)
	@touch $@

demo: setup  ## the main job, once, on an embedded stack; ARGS= keeps it open
	$(BIN)/peerline demo $(if $(filter undefined,$(origin ARGS)),--once,$(ARGS))

test: setup  ## every test but the long ones
	$(BIN)/pytest -m "not long" -n 2 --dist loadfile $(ARGS)

test-long: setup  ## campaigns and simulations
	$(BIN)/python -m tests.long $(ARGS)

check: setup  ## lint, types, layers, schema compatibility
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy $(PACKAGES) tests
	$(BIN)/lint-imports
	$(BIN)/peerline schemas check

bench: setup $(PEERS)/.installed  ## benchmarks
	$(BIN)/python -m tests.benchmarks $(ARGS)

$(PEERS)/.installed: tests/benchmarks/peers.lock schemas/pyproject.toml
	$(PYTHON) -m venv $(PEERS)
	$(PEERS)/bin/pip install --quiet --disable-pip-version-check --require-hashes -r tests/benchmarks/peers.lock
	$(PEERS)/bin/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e schemas
	@touch $@

lock:  ## renew the locks (needs uv): all platforms and versions, hashes, no address, none of our own packages
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url --no-emit-find-links --group dev pyproject.toml $(MEMBERS:%=%/pyproject.toml) \
	    | grep -v '^-e ' > requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	    --no-emit-index-url --no-emit-find-links tests/benchmarks/peers.in > tests/benchmarks/peers.lock

format:  ## rewrite the code as the formatter has it
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

clean:  ## remove what set-up and runs made here
	rm -rf $(VENV) $(PEERS) .peerline .pytest_cache .mypy_cache .ruff_cache
