# make demo: train the four stages in small and restore a video.
# make test: run all tests.  make test-gpu: those that need a GPU.
# make check: lint, formatting, types, direction of imports.
# make docs: the documentation as a site, in site/.
# Each of them makes .venv and installs what it needs.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-gpu check docs

demo: .venv/installed
	$(BIN)/basicsr demo .

# Tests run in one thread each and are distributed over processes: two more than cores, for many wait for others. Who
# has none left takes some of another's, so that tests of one file, with the fixtures that they share, stay together.
PROCESSES ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 2)
test: .venv/tested
	$(BIN)/python -m pytest --numprocesses $(PROCESSES) --maxprocesses 4 --dist worksteal --durations 20

# They share one GPU, and most of their time goes to starting.
test-gpu: .venv/tested
	$(BIN)/python -m pytest -m gpu --numprocesses 6 --durations 10 tests/gpu

check: .venv/checked
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# It fails where a link leads nowhere, or a page would fetch something from another server.
docs: .venv/documented
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# BasicSR is built without isolation: its build lists torch among what it needs, and an isolated build would fetch a
# second copy.
.venv/created: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip setuptools wheel
	touch $@

# With the extra in one call: what it needs in another version is installed once. Of 16,000 modules fewer than half are
# ever imported: those are compiled then, and what was compiled is kept. YAPF, which mmengine imports, writes a cache when
# it is first imported, which processes that start together would read half-written.
unexport PYTHONDONTWRITEBYTECODE
.venv/tested: EXTRA := [test]
.venv/checked: EXTRA := [check]
.venv/documented: EXTRA := [docs]
.venv/installed .venv/tested .venv/checked .venv/documented: .venv/created
	$(BIN)/python -m pip install --quiet --no-compile --no-build-isolation --editable .$(EXTRA)
	$(BIN)/python -c 'import yapf'
	touch $@
