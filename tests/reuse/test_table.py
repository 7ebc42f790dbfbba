"""Every registered name in this package's models, BasicSR's image models and BasicSR's video models."""

import re

import numpy as np
import pytest
import torch
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, METRIC_REGISTRY, MODEL_REGISTRY

from pgtf_basicsr.config.registered_sections import is_own
from pgtf_basicsr.samples.sample_data import write_sample_data
from pgtf_basicsr.samples.sample_masks import write_sample_masks

from ..helpers.backbones import seeded_features, torchvision_names
from ..helpers.quickstart import ROOT
from .table import ADAPTER, COLUMNS, ROWS, WORKS, as_markdown
from .trials import TRIALS, Files

CELLS = [(kind, name, column, cell) for kind, name, *cells in ROWS for column, cell in zip(COLUMNS, cells) if cell]
REGISTRIES = {
    'network': ARCH_REGISTRY,
    'loss': LOSS_REGISTRY,
    'dataset': DATASET_REGISTRY,
    'metric': METRIC_REGISTRY,
    'model': MODEL_REGISTRY,
}


class Face:
    """Stands for the network of identities, whose weights no test has."""

    def embed(self, frame, landmarks):
        return frame.reshape(-1, 3).mean(axis=0) + np.arange(3)


@pytest.fixture(scope='module')
def files(tmp_path_factory, weights, i3d_file):
    folder = tmp_path_factory.mktemp('reuse')
    write_sample_data(folder / 'data', clips=1, test_clips=2, clip_frames=10, size=64, video_size=32)
    write_sample_masks(folder / 'masks', images=1, test_images=1, image_size=32)
    for arch, depth in (('alexnet', None), ('vgg19', 3)):
        torch.save(torchvision_names(seeded_features(arch, depth)), folder / f'{arch}.pth')
    return Files(
        clips=folder / 'data/test/GT',
        labelled=folder / 'masks/train',
        alex=str(folder / 'alexnet.pth'),
        vgg=str(folder / 'vgg19.pth'),
        i3d=i3d_file,
        weights=weights,
    )


@pytest.mark.parametrize('kind, name, column, cell', CELLS, ids=lambda value: str(value)[:40])
def test_cell(kind, name, column, cell, files, monkeypatch):
    monkeypatch.setattr('pgtf_basicsr.metrics.identity.identity_backend', lambda *args, **options: Face())
    attempt = TRIALS[kind]
    if cell == WORKS:
        attempt(name, column, files)
        return
    message = None if cell == ADAPTER else re.escape(cell)
    with pytest.raises(Exception, match=message) as refusal:
        attempt(name, column, files)
    assert '\n' not in str(refusal.value).strip()
    if cell == ADAPTER:
        attempt(name, column, files, through_adapter=True)


def test_every_registered_name_is_in_the_table():
    for kind, registry in REGISTRIES.items():
        # A comparison of methods takes neither networks nor losses.
        own = {name for name, item in registry if is_own(item)} - {'MethodComparisonModel'}
        assert own == {row[1] for row in ROWS if row[0] == kind}, kind


def test_the_documented_table_is_this_one():
    assert as_markdown() in (ROOT / 'docs/reuse.md').read_text()
