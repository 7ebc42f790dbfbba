"""The examples of docs/reuse.md: option files train, validate and have no mistakes; Python runs."""

import re
from copy import deepcopy

import pytest
import torch
import yaml
from basicsr.archs import build_network
from basicsr.data import build_dataset
from basicsr.models import build_model
from basicsr.utils.registry import MODEL_REGISTRY

from pgtf_basicsr.config.checking import find_mistakes
from pgtf_basicsr.samples.sample_data import write_sample_data

from ..helpers.backbones import seeded_features, torchvision_names
from ..helpers.quickstart import ROOT
from .trials import batch_of, frames, step, validate

PAGE = (ROOT / 'docs/reuse.md').read_text()
OPTION_FILES = [yaml.safe_load(text) for text in re.findall(r'^```yaml\n(.*?)^```', PAGE, re.MULTILINE | re.DOTALL)]
PROGRAMS = re.findall(r'^```python\n(.*?)^```', PAGE, re.MULTILINE | re.DOTALL)

# What an example leaves to the reader.
REST = """
name: example
num_gpu: 0
network_g: {type: SingleOutputNetwork, network: {type: SRVGGNetCompact, num_feat: 8, num_conv: 1, upscale: 1}}
datasets:
  train: {name: x, type: VFHQDataset, dataroot_gt: datasets/VFHQ/GT, batch_size_per_gpu: 1, num_worker_per_gpu: 0}
path: {}
train:
  total_iter: 2
  optim_g: {type: Adam, lr: 1.0e-4}
  scheduler: {type: MultiStepLR, milestones: [1], gamma: 0.5}
  pixel_opt: {type: L1Loss}
val: {val_freq: 1, save_img: false, metrics: {psnr: {type: calculate_psnr, crop_border: 0}}}
logger: {print_freq: 1, save_checkpoint_freq: 1, use_tb_logger: false}
"""


@pytest.fixture(scope='module')
def project(tmp_path_factory):
    """A folder with what the examples name."""
    folder = tmp_path_factory.mktemp('project')
    write_sample_data(folder / 'datasets/VFHQ', clips=1, test_clips=1, clip_frames=5, size=64, video_size=32)
    (folder / 'datasets/VFHQ/test/GT').rename(folder / 'datasets/VFHQ/GT')
    (folder / 'weights').mkdir()
    torch.save(torchvision_names(seeded_features('alexnet')), folder / 'weights/alexnet-owt-7be5be79.pth')
    return folder


def completed(example, rest):
    """An example with what it leaves out."""
    options = deepcopy(rest)
    for key, item in example.items():
        is_part = isinstance(item, dict) and key in ('train', 'val')
        options[key] = {**options[key], **item} if is_part else item
    return options


@pytest.mark.parametrize('example', OPTION_FILES, ids=lambda example: '-'.join(example))
def test_option_file(example, project, monkeypatch):
    monkeypatch.chdir(project)
    opt = completed(example, yaml.safe_load(REST))
    assert find_mistakes(opt, is_train=True) == []
    sections = opt['datasets']
    for phase, section in sections.items():
        section['phase'] = phase
    model = build_model({**opt, 'is_train': True, 'dist': False, 'rank': 0, 'world_size': 1})
    log = step(model, batch_of(build_dataset(sections['train'])) if 'datasets' in example else frames('video'))
    named = example.get('train', {}).get('losses', {})
    assert {'l_pix', *(f'l_{name}' for name in named)} <= set(log)
    validation = {**sections['train'], 'phase': 'val', 'gt_size': 32, 'max_frames': 4}
    scores = validate(model, build_dataset(sections.get('val', validation)))
    assert scores['psnr'] > 0 and set(scores) == set(opt['val']['metrics'])


def test_basicvsr_plus_plus_in_place_of_basicvsr(project, monkeypatch):
    example = next(deepcopy(example) for example in OPTION_FILES if example.get('scale') == 4)
    example['network_g'] = {'type': 'BasicVSRPlusPlus', 'mid_channels': 8, 'num_blocks': 1}
    test_option_file(example, project, monkeypatch)


@pytest.mark.parametrize('program', PROGRAMS, ids=lambda program: program.strip().splitlines()[-1][:30])
def test_program(program, monkeypatch):
    monkeypatch.setattr('basicsr.train.train_pipeline', lambda root_path: None)
    try:
        exec(program, {'__name__': 'example'})
    finally:
        MODEL_REGISTRY._obj_map.pop('SwinIRModelWithLosses', None)


def test_checkpoints_fit_the_network_and_its_adapter():
    networks = [example['network_g'] for example in OPTION_FILES if 'network_g' in example]
    section = next(network for network in networks if network['type'] == 'SingleOutputNetwork')
    adapter, network = build_network(section), build_network(section['network'])
    assert list(adapter.state_dict()) == list(network.state_dict())
    adapter.load_state_dict(network.state_dict())
    clip = torch.rand(1, 3, 3, 32, 32)
    with torch.no_grad():
        assert torch.equal(adapter.eval()(clip), network.eval()(clip)[0])
        # A window around each frame, the edges repeated; an image is a clip of equal frames.
        longer = torch.rand(1, 4, 3, 32, 32)
        windows = [longer[:, places] for places in ([0, 0, 1], [0, 1, 2], [1, 2, 3], [2, 3, 3])]
        expected = torch.stack([network(window)[0][:, 1] for window in windows], dim=1)
        assert torch.equal(adapter(longer), expected)
        image = longer[:, 0]
        assert torch.equal(adapter(image), network(image.expand(3, -1, -1, -1).unsqueeze(0))[0][:, 1])
