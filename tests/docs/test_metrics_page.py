"""The page of metrics states what the specifications state."""

import re

from basicsr.utils.registry import METRIC_REGISTRY

from pgtf_basicsr import metrics
from pgtf_basicsr.config.metric_specification import specification_of

from ..helpers.quickstart import ROOT

TEXT = (ROOT / 'docs' / 'metrics.md').read_text()
ROWS = [
    [cell.strip(' `') for cell in row.strip('|').split('|')] for row in re.findall(r'^\| `.*\|$', TEXT, re.MULTILINE)
]


def test_table_of_specifications():
    for name, *cells in ROWS:
        specification = specification_of({'type': name})
        truth = 'needed' if specification.compares != 'images' else specification.ground_truth
        frames, side = str(specification.min_frames), str(specification.min_side)
        assert cells == [specification.title, specification.unit, specification.better, truth, frames, side], name


def test_every_metric_is_on_the_page():
    own = {name for name in metrics.__all__ if name.startswith('calculate_')}
    names = [row[0] for row in ROWS]
    assert set(names) == own | {'calculate_psnr', 'calculate_ssim', 'calculate_niqe'} and len(names) == len(set(names))
    assert all(name in METRIC_REGISTRY for name in names)
    assert TEXT.count('```math') == len(names)
