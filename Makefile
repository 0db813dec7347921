# Everything runs in environments of its own under .envs/; nothing else on the machine is touched.
# PYTHON picks the interpreter (3.11 or later).
PYTHON ?= python3
ENVS := .envs
UV := $(ENVS)/tools/bin/uv
ifdef PIP_FIND_LINKS
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
endif
# Tests start some thousand interpreters: what they import is compiled once, not by each of them.
export UV_COMPILE_BYTECODE := 1
unexport PYTHONDONTWRITEBYTECODE

# The main environment runs every test; the others run what depends on what they lack or have older.
MAIN := datasets-5.2
OLDER := datasets-3.6 datasets-4.8
# Of publishing, what asks neither datasets nor huggingface_hub for anything that differs from version to version.
ONCE := broken_off card limits manifest markdown pictures preview reading_shards
# The packages whose formats these are: their readers and writers, for tests that trade files with them.
UPSTREAM := upstream-0.0.12 upstream-0.0.23 upstream-0.1.8
export MLSTAC_UPSTREAM ?= $(CURDIR)/$(ENVS)/upstream-{}/bin/python
# A server of Azure for tests, where there is npm to get it with.
AZURITE := 3.35.0
# What was skipped for lack of such things, of all runs.
export MLSTAC_HF_LEFT_OUT := $(CURDIR)/$(ENVS)/left-out.txt
TESTS ?= tests
# More than most machines of CI have cores, since tests wait for servers and processes; not one a core of a large machine,
# since frameworks take a gigabyte each.
WORKERS ?= 3
RUN = COVERAGE_RCFILE=pyproject.toml TF_CPP_MIN_LOG_LEVEL=3 $(ENVS)/$(1)/bin/python $(2) -m pytest -n $(WORKERS) --dist loadgroup
# What the main environment covers is enough, and measuring it takes a third of the time.
MEASURED := -m coverage run

.PHONY: demo test lint test-core test-main test-older test-upstream upstream azurite coverage benchmarks clean

demo: $(ENVS)/demo/.ready
	$(ENVS)/demo/bin/mlstac-hf demo --out demo

test: lint test-core test-older test-main coverage
	@if test -s $(MLSTAC_HF_LEFT_OUT); then echo "Left out:"; sort -u $(MLSTAC_HF_LEFT_OUT); fi

lint: $(ENVS)/$(MAIN)/.ready
	$(ENVS)/$(MAIN)/bin/ruff check
	$(ENVS)/$(MAIN)/bin/ruff format --check
	$(ENVS)/$(MAIN)/bin/mypy

# With nothing but the core's own dependencies. Trading files with upstream takes more, orders and killed processes are the
# same there: that is done once.
test-core: $(ENVS)/core/.ready | clean-coverage
	$(call RUN,core) $(addprefix --ignore=tests/,interchange order write/test_resume.py download/test_resume.py) $(TESTS)

# paddle gets a process of its own: importing tensorflow before it ends the process.
test-main: $(ENVS)/$(MAIN)/.ready | clean-coverage upstream azurite
	$(call RUN,$(MAIN),$(MEASURED)) -m "not paddle" $(TESTS)
	$(call RUN,$(MAIN),$(MEASURED)) -m paddle $(TESTS)

# What trades files with upstream, alone; test-main runs it too.
test-upstream: $(ENVS)/$(MAIN)/.ready | upstream
	$(ENVS)/$(MAIN)/bin/python -m pytest tests/interchange

# Where one cannot be built, its tests are skipped, and fail with MLSTAC_HF_REQUIRE_ALL=1.
upstream:
	-@$(MAKE) --no-print-directory --keep-going $(UPSTREAM:%=$(ENVS)/%/.ready)

# Without it, as without nginx, tests against real servers are skipped, and fail with MLSTAC_HF_REQUIRE_ALL=1.
azurite:
	-@if command -v npm >/dev/null; then $(MAKE) --no-print-directory $(ENVS)/node/.ready; fi

test-older: $(OLDER:%=test-%)
test-datasets-%: $(ENVS)/datasets-%/.ready | clean-coverage
	$(call RUN,datasets-$*) -m "not paddle" $(ONCE:%=--ignore=tests/push/test_%.py) tests/hf tests/push
	$(call RUN,datasets-$*) -m paddle tests/hf

coverage: $(ENVS)/$(MAIN)/.ready
	$(ENVS)/$(MAIN)/bin/python -m coverage combine --quiet
	$(ENVS)/$(MAIN)/bin/python -m coverage report

.PHONY: clean-coverage
clean-coverage:
	rm -f .coverage .coverage.* $(MLSTAC_HF_LEFT_OUT)

benchmarks: $(ENVS)/$(MAIN)/.ready
	$(ENVS)/$(MAIN)/bin/python benchmarks/run.py

clean: clean-coverage
	rm -rf $(ENVS) demo

$(UV):
	$(PYTHON) -m venv $(ENVS)/tools
	$(ENVS)/tools/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9

$(ENVS)/demo/.ready: pyproject.toml | $(UV)
	$(UV) venv --quiet --clear --python "$$(command -v $(PYTHON))" $(ENVS)/demo
	$(UV) pip install --quiet --python $(ENVS)/demo/bin/python -e '.[hf,plot]'
	touch $@

$(ENVS)/node/.ready: Makefile
	mkdir -p $(ENVS)/node
	npm install --prefix $(ENVS)/node --no-audit --no-fund --no-save --loglevel=error azurite@$(AZURITE)
	touch $@

.PRECIOUS: $(ENVS)/%/.ready $(ENVS)/upstream-%/.ready
$(ENVS)/upstream-%/.ready: tests/requirements/upstream-%.txt | $(UV)
	$(UV) venv --quiet --clear --python "$$(command -v $(PYTHON))" $(ENVS)/upstream-$*
	$(UV) pip install --quiet --no-deps --python $(ENVS)/upstream-$*/bin/python -r $<
	touch $@

$(ENVS)/%/.ready: tests/requirements/%.txt pyproject.toml | $(UV)
	$(UV) venv --quiet --clear --python "$$(command -v $(PYTHON))" $(ENVS)/$*
	$(UV) pip install --quiet --python $(ENVS)/$*/bin/python -r $<
	$(UV) pip install --quiet --python $(ENVS)/$*/bin/python --no-deps -e .
	touch $@
