"""The page on every option is what the descriptions say now, and says something of each."""

import re

from pgtf_basicsr import archs, losses, metrics
from pgtf_command import run_command as main

from ..helpers.quickstart import ROOT

REFERENCE = ROOT / 'docs' / 'options.md'


def test_the_shipped_page_is_up_to_date(capsys):
    assert main(['check-options', '--reference']) == 0
    assert capsys.readouterr().out == REFERENCE.read_text(), 'basicsr check-options --reference > docs/options.md'


def test_every_option_has_a_meaning():
    rows = re.findall(r'^\| `.*\|$', REFERENCE.read_text(), re.MULTILINE)
    assert len(rows) > 100
    assert [row for row in rows if row.endswith('|  |')] == []


def test_everything_registered_is_on_it():
    text = REFERENCE.read_text()
    names = [*archs.__all__, *losses.__all__, *(name for name in metrics.__all__ if name.startswith('calculate_'))]
    for name in [
        *names,
        'Dataset VFHQDataset',
        'Model PGTFormerModel',
        'Model TSVQGANModel',
        'Adam',
        'CosineAnnealingRestartLR',
        'keep_checkpoints',
        'max_skipped_steps',
    ]:
        assert re.search(rf'^#+ {name}$|\b{name}\b', text, re.MULTILINE), name
