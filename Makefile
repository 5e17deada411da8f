# Every recipe runs lines that you could paste into a shell; make adds which Python to build against.
#
# That Python is PYO3_PYTHON, or what tools/find-python finds. It is asked when a recipe needs it, at most once, and
# when it finds none, its message is the last thing you see: cargo does not start.
#
# Each minor version builds in a folder of its own, target/py3.13 for example: conditional compilation differs between
# versions, so in a shared folder each change of Python would rebuild nearly everything. Your own `cargo build`, and
# your editor's, keep target/ to themselves. A CARGO_TARGET_DIR that is set is used as it stands.

python = $(eval python := $$(or $$(shell PYO3_PYTHON='$(PYO3_PYTHON)' tools/find-python),$$(error no Python to build against)))$(python)
version = $(eval version := $$(shell PYO3_PYTHON='$(python)' tools/find-python --minor))$(version)
target = $(or $(CARGO_TARGET_DIR),target/py$(version))
cargo = PYO3_PYTHON='$(python)' CARGO_TARGET_DIR='$(target)' cargo

# `make test` repeats the suite on these; with OWNGIL_TEST_ONE_PYTHON=1 on none.
other_versions = $(if $(filter 1,$(OWNGIL_TEST_ONE_PYTHON)),,$(filter-out $(version),$(shell tools/find-python --minors)))

# How `make run` and `make python` build: dev is quicker to build.
PROFILE ?= release

# Tests that are the same on each version of Python: the command's options, inputs, job logs and help, and the examples.
# `make suite SHORT=1` leaves them out.
INDEPENDENT = programs:: help:: input:: joblog:: gnu_parallel:: readme transcripts schedule::options setup::config setup::log

# How often `make stress` and `make test-exit` run.
RUNS ?= 20

# How long `make soak` takes, with how many seeds and where, and with which packages: all, if none is named.
MINUTES ?= 10
SEEDS ?= 3
PLACE ?= private
PACKAGES ?=

# Into how many groups a soak divides them, and how many packages `make compatibility` tries at once.
GROUPS ?= 1
JOBS ?= 2

# Settings for somebody else's Python: they change how the embedded one starts and what it prints.
unexport PYTHONHOME PYTHONPATH PYTHONUNBUFFERED PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.NOTPARALLEL:
.PHONY: help run free-threaded install test suite python wheel sdist test-wheel test-exit packages cpython-tests cases huge soak compatibility compatibility-suites lint fmt docs stress model bench release-check

help: ## list what make can do here
	@sed -n 's/^\([a-z-]*\):.*## /  make \1 - /p' Makefile

run: ## run CPU-heavy Python on one GIL and on many, and compare the times
	$(cargo) run --profile $(PROFILE) --example one_gil_or_many

free-threaded: ## compare GILs, processes and a Python without a GIL; set FREE_THREADED_PYTHON=python3.14t
	FREE_THREADED_PYTHON='$(FREE_THREADED_PYTHON)' $(cargo) run --release --example free_threaded

install: ## install the command owngil with cargo
	$(cargo) install --locked --path cli

test: lint docs suite ## run all checks: lints, documentation, the suite on each usable Python
	tools/test-find-python
	@for version in $(other_versions); do $(MAKE) --no-print-directory suite PYO3_PYTHON="$$(tools/find-python $$version)" CARGO_TARGET_DIR="$(or $(CARGO_TARGET_DIR),target)/py$$version" || exit; done

suite: ## run only the tests, on one Python; SHORT=1 leaves out what does not depend on its version, such as documentation tests
	@echo "suite: $$('$(python)' --version), $(python)"
ifdef SHORT
	$(cargo) test --workspace --all-features --no-fail-fast --lib --bins --tests -- $(addprefix --skip ,$(INDEPENDENT))
else
	$(cargo) test --workspace --all-features --no-fail-fast
endif
	@echo "suite: passed on $$('$(python)' --version), $(python)$(if $(SHORT), (SHORT=1))"

python: ## the package in python/, with a module for this Python, to be tried from there: PYTHONPATH=python
	PYO3_BUILD_EXTENSION_MODULE=1 PYO3_PYTHON='$(python)' CARGO_TARGET_DIR='$(target)/python' cargo build --profile $(PROFILE) -p owngil-python
	cp '$(target)/python/$(if $(filter dev,$(PROFILE)),debug,$(PROFILE))/lib_owngil.so' "python/owngil/_owngil$$('$(python)' -c 'import sysconfig; print(sysconfig.get_config_var("EXT_SUFFIX"))')"

wheel: ## dist/owngil-….whl, for Python 3.12 to 3.15: needs none of them, but PyPI; VERSIONS='3.13 3.14' builds only those
	tools/build-wheel $(VERSIONS)

sdist: ## dist/owngil-….tar.gz, the package as source: needs PyPI
	tools/build-wheel sdist

test-wheel: ## the wheel in fresh environments of each Python; PYTHONS='python3.14' names those
	tools/test-wheel $(or $(PYTHONS),$(shell for version in $$(tools/find-python --minors); do tools/find-python $$version; done))

test-exit: ## end programs in every state of their workers, RUNS times each, with what `make python` has built
	PYTHONPATH=python OWNGIL_EXIT_RUNS=$(RUNS) '$(python)' python/tests/test_exit.py

packages: ## test real packages in four workers at once, and examples with packages; needs pip and a registry
	$(cargo) build --workspace --all-features --bins --examples
	OWNGIL_TEST_PACKAGES=1 $(cargo) test --workspace --all-features --no-fail-fast --test packages --test examples

cpython-tests: ## compare CPython's own tests in one interpreter with plain python; takes half an hour
	OWNGIL_TEST_CPYTHON=1 $(cargo) test -p owngil-cli --no-fail-fast --test cpython

cases: ## run cases that users reported about packages: a part of `make packages`
	OWNGIL_TEST_PACKAGES=1 $(cargo) test --workspace --all-features --test packages -- 'case '

soak: ## run packages at random in four interpreters; MINUTES=10 SEEDS=3 GROUPS=4 PLACE=private OLDEST=1 MIDDLE=1 PACKAGES='numpy lxml'
	for seed in $$(seq $(SEEDS)); do $(cargo) test -p owngil-cli --test packages -- soak --minutes $(MINUTES) --seed $$seed --groups $(GROUPS) --place $(PLACE) $(if $(OLDEST),--oldest) $(if $(MIDDLE),--middle) $(PACKAGES) || exit; done

compatibility: ## test packages in each place, and write the table and the list; JOBS=2 AGAIN=1 OLDEST=1 MIDDLE=1 DEFAULT=1 PACKAGES='numpy lxml'
	$(cargo) test -p owngil-cli --test packages -- matrix --jobs $(JOBS) $(if $(AGAIN),--again) $(if $(OLDEST),--oldest) $(if $(MIDDLE),--middle) $(if $(DEFAULT),--default) $(PACKAGES)
	$(cargo) test -p owngil-cli --test packages -- table

compatibility-suites: ## run some of the packages' own tests in four interpreters at once; PACKAGES='numpy regex'
	$(cargo) test -p owngil-cli --test packages -- suites $(PACKAGES)

huge: ## test the command with 20 GiB of output and lines beyond 4 GiB; needs as much disk
	OWNGIL_TEST_HUGE=1 $(cargo) test -p owngil-cli --release --test cli -- --test-threads 1 tools::

stress: ## run the stress tests RUNS times in a row (20), and kill and resume runs of the command five times as often
	for run in $$(seq $(RUNS)); do echo "stress: run $$run of $(RUNS), Python $(version)"; $(cargo) test --release --test stress || exit; done
	OWNGIL_STRESS=5 $(cargo) test -p owngil-cli --release --test cli kill

model: ## check locks and atomics of slots, item buffers, monitors, queue and admission with loom, under every order of events
	CARGO_TARGET_DIR=target/model CARGO_PROFILE_DEV_OPT_LEVEL=1 CARGO_PROFILE_DEV_DEBUG=false RUSTFLAGS='--cfg model' PYO3_PYTHON='$(python)' cargo test --lib model::

bench: ## measure next to limits and peers; QUICK=1 is minutes faster, ROWS=map,call runs only those rows
	$(cargo) bench -p owngil-cli --bench bars -- $(if $(QUICK),--quick) $(if $(ROWS),--rows $(ROWS))

lint: ## check formatting and run clippy
	cargo fmt --all --check
	$(cargo) clippy --workspace --all-targets --all-features -- -D warnings

.PHONY: release-check
release-check: ## packages, the oldest Rust, docs.rs, licences, words, links, workflows; QUICK=1 leaves out what takes longer
	PYO3_PYTHON='$(python)' tools/release-check $(if $(QUICK),--quick)

fmt: ## format the code
	cargo fmt --all

docs: ## build the documentation of all crates, without warnings
	RUSTDOCFLAGS='-D warnings' $(cargo) doc --workspace --no-deps --all-features
