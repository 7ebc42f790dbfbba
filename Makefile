# make demo: train the four stages in small and restore a video.
# make test: run all tests.  make check: lint, formatting, types, direction of imports.
# make docs: the documentation as a site, in site/.
# Each of them makes .venv and installs what it needs.
PYTHON ?= python3
BIN := .venv/bin
QUICKSTART := options/quickstart
HELD_OUT := datasets/sample/test/degraded/collins_000.mp4

.PHONY: demo test check docs

demo: .venv/installed
	$(BIN)/basicsr sample-data datasets/sample
	$(BIN)/basicsr train -opt $(QUICKSTART)/stage1.yml
	$(BIN)/basicsr train -opt $(QUICKSTART)/stage2.yml
	$(BIN)/basicsr train -opt $(QUICKSTART)/stage3.yml
	$(BIN)/basicsr train -opt $(QUICKSTART)/stage4.yml
	$(BIN)/basicsr test -opt $(QUICKSTART)/test_autoencoder.yml
	$(BIN)/basicsr test -opt $(QUICKSTART)/test_stage3.yml
	$(BIN)/basicsr test -opt $(QUICKSTART)/test_stage3.yml --force_yml name=quickstart_test_stage3_fidelity0 val:fidelity=0
	$(BIN)/basicsr test -opt $(QUICKSTART)/test_stage4.yml
	$(BIN)/basicsr restore $(HELD_OUT) -o results/quickstart_restored.mp4 --weights experiments/quickstart_stage4/models/net_g_latest.pth
	$(BIN)/python -m pgtf_basicsr.samples.quickstart_summary

# Tests run in one thread each and are distributed over processes.
test: .venv/tested
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 4 --durations 20

check: .venv/checked
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# It fails where a link leads nowhere, or a page would fetch something from another server.
docs: .venv/documented
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# torch comes first and BasicSR is built without isolation: its build lists torch among what it
# needs, and an isolated build would fetch a second copy.
.venv/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet setuptools wheel torch torchvision
	$(BIN)/python -m pip install --quiet --no-build-isolation "basicsr>=1.4.2,<1.5"
	$(BIN)/python -m pip install --quiet --no-build-isolation --editable .
	touch $@

.venv/tested: .venv/installed
	$(BIN)/python -m pip install --quiet --no-build-isolation --editable .[test]
	touch $@

.venv/checked: .venv/installed
	$(BIN)/python -m pip install --quiet --no-build-isolation --editable .[check]
	touch $@

.venv/documented: .venv/installed
	$(BIN)/python -m pip install --quiet --no-build-isolation --editable .[docs]
	touch $@
