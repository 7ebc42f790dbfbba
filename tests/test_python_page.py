"""The page on the Python interface: its examples, run one after the other in an empty folder."""

import doctest
import re

import spandrel

from .helpers.quickstart import ROOT

PAGE = ROOT / 'docs' / 'python.md'


def test_examples_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    # The page registers PGTFormer, which no other test is to meet.
    registry = spandrel.MAIN_REGISTRY.copy()
    monkeypatch.setattr(spandrel, 'MAIN_REGISTRY', registry)
    monkeypatch.setattr(spandrel.ModelLoader.__init__, '__defaults__', (None, registry))
    examples = '\n'.join(re.findall(r'```pycon\n(.*?)```', PAGE.read_text(), re.DOTALL))
    test = doctest.DocTestParser().get_doctest(examples, {}, PAGE.name, str(PAGE), 0)
    assert len(test.examples) > 25
    assert doctest.DocTestRunner().run(test).failed == 0
