# Needs Python 3.11 or newer and make; everything else goes into .venv, beside this file.
#   make demo    a whole search on the sample world, ending with the commands to approve and export
#   make test    every test, in two processes (another number: make test JOBS=4; each takes up to 3 GB)
#   make check   style, types, import contracts
#   make test-capabilities   the tests of merges, with each of the processor's instruction sets that torch can use
#   make fuzz    a hundred thousand damaged files and texts, read by everything that reads
#   make test-browser   the pages in a real Chromium, which is installed where apt-get can
#   make test-tools   exports, run by the tools that they are for, which are installed into .venv-tools
#   make bench   measurements
#   make bench-gpu   those that need a GPU, in under ten minutes
# Another Python: `make demo PYTHON=python3.12`. Own options for pip: `make demo PIP_FLAGS=...`.

PYTHON ?= python3
PIP_FLAGS ?=
JOBS ?= 2
VENV := .venv
BIN := $(VENV)/bin
TOOLS := .venv-tools
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-browser test-tools tools test-capabilities check fuzz bench bench-gpu clean
.DELETE_ON_ERROR:

demo: $(VENV)/.installed
	$(BIN)/recipe-search demo

test: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist loadfile

test-browser: $(VENV)/.installed-dev
	command -v chromium >/dev/null || { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium fonts-noto-cjk; }
	$(BIN)/python -m pytest -m browser

test-tools: $(VENV)/.installed-dev tools
	$(BIN)/python -m pytest -m tools

tools: $(TOOLS)/mecha/.installed $(TOOLS)/mergekit/.installed $(TOOLS)/meh/.installed

MERGES := arithmetic kernels merging/test_evaluate.py merging/test_key_classes.py merging/test_exact.py merging/test_reference.py merging/test_chain.py live/test_weights.py

test-capabilities: $(VENV)/.installed-dev
	for each in $$($(BIN)/python -m tests.engine.merging.capabilities); do \
	  echo "ATEN_CPU_CAPABILITY=$$each"; ATEN_CPU_CAPABILITY=$$each $(BIN)/python -m pytest -q $(MERGES:%=tests/engine/%) || exit 1; done

check: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright
	$(BIN)/lint-imports

# Other files with FUZZ_SEED=2.
fuzz: $(VENV)/.installed-dev
	FUZZ_EXAMPLES=1500 $(BIN)/python -m pytest -q tests/fuzz

bench: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m benchmark -s -o python_files='bench_*.py' tests/benchmarks

# On the models of the sample world, on a CPU: make bench-gpu GPU='--tiny --device cpu'
bench-gpu: $(VENV)/.installed-dev
	$(BIN)/python -m tests.benchmarks.gpu $(GPU)

clean:
	rm -rf $(VENV) $(TOOLS) build dist .pytest_cache .ruff_cache .import_linter_cache .hypothesis

# A stamp file says which pyproject.toml the environment was made for: installed again only when that changes.
$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "This needs Python 3.11 or newer; $(PYTHON) is older or missing. Say which one: make PYTHON=python3.12" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet $(PIP_FLAGS) --editable '.[web]'
	@touch $@

$(VENV)/.installed-dev: pyproject.toml | $(BIN)/python
	$(BIN)/python -m pip install --quiet $(PIP_FLAGS) --editable '.[dev]'
	@touch $@ $(VENV)/.installed

# Each tool has an environment of its own, so that nothing of it comes into ours; torch and what else is ours it takes
# from there, by a file that adds our site-packages behind its own.
SITE := import sysconfig; print(sysconfig.get_path("purelib"))
$(TOOLS)/mecha/.installed: NEEDS := sd-mecha==1.1.8
$(TOOLS)/mergekit/.installed: NEEDS := mergekit==0.1.5
$(TOOLS)/meh/.installed: NEEDS := sd-meh==0.9.5 tensordict

$(TOOLS)/%/.installed: $(VENV)/.installed-dev
	$(BIN)/python -m venv --clear --without-pip $(TOOLS)/$*
	$(BIN)/python -c '$(SITE)' > "$$($(TOOLS)/$*/bin/python -c '$(SITE)')/ours.pth"
	$(BIN)/python -m pip --python $(TOOLS)/$*/bin/python install --quiet $(PIP_FLAGS) $(NEEDS)
	@touch $@
