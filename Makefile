# Every target sets up what it needs in .venv by itself. Needs: make, and Python 3.11 or newer with venv.
PYTHON ?= python3
JOBS ?= 2
BIN := .venv/bin
RUN := .venv/.installed-run
DEV := .venv/.installed-dev
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

.PHONY: try test check bench hostile fuzz setup simulate soak small-server lock format kill kill-discord fleet clean help

help:            ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile

try: $(RUN)      ## the main job in the terminal, on a bundled newsroom; ARGS=--once for one round
	@$(BIN)/wirewatch try $(ARGS)

setup: $(RUN)    ## only the set-up; .venv/bin/wirewatch works after it

test: $(DEV)     ## all tests, two at a time (JOBS=4 for more); ARGS=-x and the like are passed to pytest
	@$(BIN)/python -m pytest -n $(JOBS) --dist worksteal $(ARGS)

check: $(DEV)    ## format, lint, types, import rules
	@$(BIN)/ruff format --check --quiet . || { echo "run: make format"; exit 1; }
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache | tail -n 4

format: $(DEV)   ## write the format, and the lint's safe fixes
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

bench: $(DEV)    ## speed and quality, as tables
	@$(BIN)/python -m benchmarks

kill: $(DEV)     ## kill -9 at random moments under flow; ARGS="--kills 1000" for more
	@$(BIN)/python -m benchmarks.kill $(ARGS)

kill-discord: $(DEV)  ## the same against a Discord of our own; ARGS="--kills 200" for more
	@$(BIN)/python -m benchmarks.kill_discord $(ARGS)

simulate: $(DEV) ## seeded schedules under virtual time, a fault at every await; ARGS="--seeds 1000", "--seed 17" for one
	@$(BIN)/python -m benchmarks.simulate $(ARGS)

soak: $(DEV)     ## a week at five times the usual load in virtual time: memory, files, tasks; ARGS="--days 1" for less
	@$(BIN)/python -m benchmarks.soak $(ARGS)

small-server: $(DEV)  ## ten minutes of 300 feeds within 512 MiB; ARGS="--minutes 2" for less
	@$(BIN)/python -m benchmarks.small_server $(ARGS)

fleet: $(DEV)    ## 10,000 and 30,000 feeds at five minutes, in six minutes; ARGS="--feeds 1000 --seconds 20" for less
	@$(BIN)/python -m benchmarks.fleet $(ARGS)

hostile: $(DEV)  ## what hostile feeds and pages cost the engine, as a table; ARGS="--only bomb --repeat 1"
	@$(BIN)/python -m benchmarks.hostile $(ARGS)

fuzz: $(DEV)     ## each reader of hostile bytes for two minutes under atheris; ARGS="--only feed --seconds 600"
	@$(PIP) install --require-hashes --only-binary :all: -r requirements-fuzz.txt || true  # no wheel: Hypothesis' bytes
	@$(BIN)/python -m tests.fuzz_run $(ARGS)

lock: $(DEV)     ## renew the pinned versions
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--custom-compile-command "make lock" --group build pyproject.toml -o requirements.txt
	@$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate \
		--custom-compile-command "make lock" --group build --group dev pyproject.toml -c requirements.txt -o requirements-dev.txt

clean:           ## remove what make made
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "wirewatch needs Python 3.11 or newer; name one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv .venv || { echo "This Python has no venv. On Debian: apt install python3-venv"; exit 1; }
	@$(PIP) install --upgrade pip

$(RUN): requirements.txt pyproject.toml | .venv/bin/python
	@echo "Setting up .venv (once) ..."
	@$(PIP) install --require-hashes -r requirements.txt
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

$(DEV): requirements-dev.txt $(RUN)
	@$(PIP) install --require-hashes -r requirements-dev.txt
	@touch $@
