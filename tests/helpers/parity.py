"""Weights, inputs and outputs of the published implementation (tests/fixtures/parity)."""

import json
import sys
from pathlib import Path

import numpy as np
import torch

FOLDER = Path(__file__).parents[1] / 'fixtures' / 'parity'
sys.path.insert(0, str(FOLDER))
import seeded  # noqa: E402

FIXTURES = np.load(FOLDER / 'fixtures.npz')
MODULE_SHAPES = json.loads((FOLDER / 'module_keys.json').read_text())
NETWORK_SHAPES = json.loads((FOLDER / 'official_keys.json').read_text())

PUBLISHED_NAMES = {
    'codebook.': 'quantizer.codebooks.0.',
    'code_size': 'cluster_size_ema',
    'code_sum': 'embed_ema',
    'to_latents.': 'quant_conv.',
    'parsing_net.': 'conditionnet.',
    'predictor.position.': 'convpos.',
    'regulators.': 'fuse_convs_dict.',
}


def fixture(name):
    """Array of the fixtures as a tensor."""
    return torch.from_numpy(FIXTURES[name])


def module_state(name):
    """Published state dict of a small module."""
    return tensors(seeded.state_dict(MODULE_SHAPES[name], prefix=f'{name}.'))


def network_state(name):
    """Published state dict of a whole network, complete with derived buffers."""
    prefix = 'discriminator.' if name == 'discriminator' else ''
    state = tensors(seeded.state_dict(NETWORK_SHAPES[name], prefix=prefix))
    for key, shape in NETWORK_SHAPES[name].items():
        if key.endswith(seeded.DERIVED):
            state[key] = torch.zeros(shape, dtype=torch.int64)
    return state


def published_names(state):
    """State dict of a PGTFormer with published names for some tensors, among them those by which it is recognised."""
    renamed = {}
    for name, tensor in state.items():
        for own, published in PUBLISHED_NAMES.items():
            name = name.replace(own, published)
        renamed[name] = tensor
    # The row that is never chosen.
    weight = renamed['quantizer.codebooks.0.weight']
    renamed['quantizer.codebooks.0.weight'] = torch.cat([weight, weight[:1]])
    return renamed


def clip():
    """The clip of the full-size fixtures, (1, 3, 3, 512, 512)."""
    return torch.from_numpy(seeded.frames(11, (3, 3, 512, 512)))[None]


def deviation(tensor, name):
    """Largest difference from a sampled fixture."""
    return float(np.abs(seeded.sample(tensor.numpy()) - FIXTURES[name]).max())


def tensors(arrays):
    return {name: torch.from_numpy(array) for name, array in arrays.items()}
