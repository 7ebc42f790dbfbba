"""Scripts of benchmarks/, which no other test runs: what they import of the package is there."""

import ast
import importlib

import pytest

from .helpers.quickstart import ROOT

SCRIPTS = sorted((ROOT / 'benchmarks').rglob('*.py'))


def imported_names(text):
    """Pairs (module, name) that a script imports of the package, in functions as well."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split('.')[0] == 'pgtf_basicsr':
            yield from ((node.module, alias.name) for alias in node.names)


def is_there(module, name):
    if hasattr(importlib.import_module(module), name):
        return True
    try:
        importlib.import_module(f'{module}.{name}')
    except ImportError:
        return False
    return True


@pytest.mark.parametrize('path', SCRIPTS, ids=[str(path.relative_to(ROOT / 'benchmarks')) for path in SCRIPTS])
def test_a_script_imports_what_is_there(path):
    assert [names for names in imported_names(path.read_text()) if not is_there(*names)] == []


def test_names_that_are_gone_are_found():
    text = 'def f():\n    from pgtf_basicsr.restoration.whole_video import Restorer, load_network\n'
    assert [is_there(*names) for names in imported_names(text)] == [True, False]
