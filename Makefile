# Everything a user or contributor runs. Each target sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed
ARGS ?=
# Where the tests of the modules are that an install compiles (setup.py).
COMPILED := $(addprefix tests/,balancing dataplane fleet integration processes retry wire)

.PHONY: run test test-installed lint bench bench-quick bench-guard faults clean

## run the proxy: with Docker where an engine answers, else the demo with embedded backends
run: $(VENV)/ready
	@if $(BIN)/python -m proxy.control.discovery.docker_api; then \
		exec $(BIN)/seawall run $(ARGS); \
	else \
		echo "no container engine answers here: running the demo instead"; \
		exec $(BIN)/seawall demo $(ARGS); \
	fi

## all tests; brings up a container engine of its own where none answers and that is possible
test: $(VENV)/ready
	$(BIN)/python -m tests.support.engine run -- $(BIN)/python -m pytest -n 4 --dist worksteal $(ARGS)

## the tests of what is compiled once more, on an install
test-installed: $(INSTALLED)/ready
	cd $(INSTALLED) && ../bin/python -m pytest -n 2 --dist worksteal -m 'not docker and not source' $(COMPILED) $(ARGS)

## format, lint and types, as the gate checks them
lint: $(VENV)/ready
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

## every question of speed, of an install beside other proxies; rewrites benchmarks/README.md and its data (20 minutes)
bench: $(INSTALLED)/ready
	cp -r benchmarks $(INSTALLED)
	cd $(INSTALLED) && ../bin/python -m benchmarks $(ARGS); code=$$?; \
	cp -r benchmarks/README.md benchmarks/results benchmarks/plots $(CURDIR)/benchmarks; exit $$code

## small GETs only; fails when Seawall misses its bars (2 minutes)
bench-quick: $(INSTALLED)/ready
	cd $(INSTALLED) && ../bin/python -m benchmarks.throughput --guard $(ARGS)

## what clients notice of a fault behind an install and other proxies; brings up an engine where none answers
faults: $(INSTALLED)/ready
	cd $(INSTALLED) && ../bin/python -m tests.support.engine run -- ../bin/python -m benchmarks.faults $(ARGS)

## is this tree slower than a commit? AGAINST=COMMIT; without, where the branch left main
bench-guard: $(VENV)/ready
	$(BIN)/python -m benchmarks.guard $(if $(AGAINST),--against $(AGAINST)) $(ARGS)

clean:
	rm -rf $(VENV) build dist *.egg-info

$(VENV)/ready: pyproject.toml setup.py $(wildcard proxy/wire/*.pyx proxy/wire/*.pxd)
	@$(PYTHON) -c 'import sys; sys.exit("Seawall needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": make PYTHON=/path/to/python3 …" if sys.version_info < (3, 11) else 0)'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

# An install with what runs on it beside it, so that its compiled modules are found first.
$(INSTALLED)/ready: $(VENV)/ready $(shell find proxy tests benchmarks -name '*.py*' -o -name '*.pxd')
	rm -rf build $(INSTALLED)
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --target $(INSTALLED) .
	cp -r benchmarks config docs tests *.md *.toml Dockerfile LICENSE Makefile setup.py $(INSTALLED)
	@touch $@
