# What one types. Every target sets up what it needs first; a second time that takes no time.
# Needs: make, and Python 3.11 or newer with its venv module (PYTHON=... names another one).
.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?=
export PYTHON
BIN := .venv/bin

# A moved checkout, or a Python that is gone, makes the stamps of an earlier set-up worthless.
STALE := $(shell if [ -d .venv ] && { ! $(BIN)/python -c '' || { [ -e .venv/.path ] && [ "$$(cat .venv/.path)" != "$$(pwd -P)" ]; }; } 2>/dev/null; then rm -f .venv/.runtime .venv/.dev; fi)

.PHONY: help install demo test test-crash test-diagnosis test-browser test-real test-cluster screenshots bench soak check lock clean

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' Makefile

install: .venv/.runtime ## Make .venv with .venv/bin/countersign in it
	@echo "Ready: $(BIN)/countersign"

demo: .venv/.runtime ## Run the bot against a local Slack and a demo cluster (RESET=1: afresh; KUBE=1: your own cluster)
	@$(BIN)/countersign sandbox $(if $(RESET),--reset) $(if $(KUBE),--kube)

test: .venv/.dev ## Run all tests
	@# Five on two cores: more than half of a test is waiting. What is compiled may be kept, whatever the shell says.
	@PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 5 -m "not bench and not crash and not real and not cluster and not long"

test-crash: .venv/.dev ## Kill the bot at every step that matters; prints a table
	@$(BIN)/python -m pytest -m "crash or not crash" tests/faults -n 3 -q
	@$(BIN)/python -m pytest -m "(crash or long) and not browser" tests --ignore=tests/faults -n 2 -q

test-diagnosis: .venv/.dev ## Judge the diagnosis on 900 generated states; prints figures and misses (ARGS="show SEED": one state)
	@$(BIN)/python -m tests.diagnosis $(ARGS)

test-browser: .venv/.dev ## Drive the demo's page in a real Chromium
	@$(BIN)/python -m pytest tests/browser -n 0

test-real: .venv/.dev ## Try the demo cluster with a real kubectl, got from npm; prints a table
	@$(BIN)/python -m pytest -m real tests/real -n 0 -q

test-cluster: .venv/.dev ## Try every tool on the demo cluster, or on KUBECONFIG's, in a namespace of its own; prints a table
	@$(BIN)/python -m pytest -m cluster tests/cluster -n 0 -q

screenshots: .venv/.dev ## Take README's pictures anew in a real Chromium
	@$(BIN)/python -m tests.browser.screenshots

bench: .venv/.dev ## Measure every figure of the architecture; prints a table (ARGS="cpu click": parts of it)
	@$(BIN)/python -m tests.benchmarks $(ARGS)

soak: .venv/.dev ## Talk to the bot for minutes (ARGS=30: so many); prints a table, and fails where something grows
	@$(BIN)/python -m tests.benchmarks.soak $(ARGS)

check: .venv/.dev ## Check format, lint, types and import directions
	@$(BIN)/ruff format --check .
	@$(BIN)/ruff check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

COMPILE := $(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --python-version 3.11
lock: .venv/.dev ## Pin again what pyproject.toml asks for
	@$(COMPILE) --extra embedded pyproject.toml -o requirements.txt
	@$(COMPILE) --extra embedded --group dev pyproject.toml -o requirements-dev.txt

clean: ## Remove what the other targets made (stop `make demo` first)
	@rm -rf .venv .demo .dev .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist *.egg-info
	@find . -name .git -prune -o -type d -name __pycache__ -prune -exec rm -rf {} +
	@# What the embedded Postgres keeps outside when it runs as root; `owner` says for which .venv.
	@for home in /var/lib/countersign-embedded-* "$${TMPDIR:-/tmp}"/countersign-embedded-* /tmp/countersign-embedded-* /var/tmp/countersign-embedded-*; do \
		if [ "$$(cat "$$home/owner" 2>/dev/null)" = "$$(pwd -P)/.venv" ]; then echo "Removing $$home"; rm -rf "$$home"; fi; \
	done
	@rmdir "$${TMPDIR:-/tmp}/countersign-test-$$(id -u)" 2>/dev/null || true

.venv/.runtime: requirements.txt requirements-uv.txt .ci/setup
	@.ci/setup runtime

.venv/.dev: requirements-dev.txt requirements-uv.txt .ci/setup
	@.ci/setup dev
