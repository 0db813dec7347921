# Everything runs in environments of its own under .envs/; nothing else on the machine is touched.
# PYTHON picks the interpreter (3.11 or later).
PYTHON ?= python3
ENVS := .envs
UV := $(ENVS)/tools/bin/uv
ifdef PIP_FIND_LINKS
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
endif

# The main environment runs every test; the others run what depends on what they lack or have older.
MAIN := datasets-5.2
OLDER := datasets-3.6 datasets-4.8
TESTS ?= tests
# Frameworks take a gigabyte a process, so not one a core of a large machine.
RUN = COVERAGE_RCFILE=pyproject.toml TF_CPP_MIN_LOG_LEVEL=3 $(ENVS)/$(1)/bin/python -m coverage run -m pytest -n auto --maxprocesses 4

.PHONY: demo test lint test-core test-main test-older coverage benchmarks clean

demo: $(ENVS)/demo/.ready
	$(ENVS)/demo/bin/mlstac-hf demo --out demo

test: lint test-core test-older test-main coverage

lint: $(ENVS)/$(MAIN)/.ready
	$(ENVS)/$(MAIN)/bin/ruff check
	$(ENVS)/$(MAIN)/bin/ruff format --check
	$(ENVS)/$(MAIN)/bin/mypy

# With nothing but the core's own dependencies.
test-core: $(ENVS)/core/.ready | clean-coverage
	$(call RUN,core) $(TESTS)

# paddle gets a process of its own: importing tensorflow before it ends the process.
test-main: $(ENVS)/$(MAIN)/.ready | clean-coverage
	$(call RUN,$(MAIN)) -m "not paddle" $(TESTS)
	$(call RUN,$(MAIN)) -m paddle $(TESTS)

test-older: $(OLDER:%=test-%)
test-datasets-%: $(ENVS)/datasets-%/.ready | clean-coverage
	$(call RUN,datasets-$*) -m "not paddle" tests/hf tests/push
	$(call RUN,datasets-$*) -m paddle tests/hf

coverage: $(ENVS)/$(MAIN)/.ready
	$(ENVS)/$(MAIN)/bin/python -m coverage combine --quiet
	$(ENVS)/$(MAIN)/bin/python -m coverage report

.PHONY: clean-coverage
clean-coverage:
	rm -f .coverage .coverage.*

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

.PRECIOUS: $(ENVS)/%/.ready
$(ENVS)/%/.ready: tests/requirements/%.txt pyproject.toml | $(UV)
	$(UV) venv --quiet --clear --python "$$(command -v $(PYTHON))" $(ENVS)/$*
	$(UV) pip install --quiet --python $(ENVS)/$*/bin/python -r $<
	$(UV) pip install --quiet --python $(ENVS)/$*/bin/python --no-deps -e .
	touch $@
