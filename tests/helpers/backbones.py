"""Backbones of perceptual losses with seeded random weights."""

import functools

import torch
import torchvision
from torch import nn


@functools.cache
def seeded_features(arch, depth=None):
    """The first layers of a torchvision classifier, their weights drawn from a fixed seed."""
    with torch.device('meta'):
        features = getattr(torchvision.models, arch)(weights=None).features[:depth]
    features.to_empty(device='cpu')
    generator = torch.Generator().manual_seed(0)
    for layer in features:
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity='relu', generator=generator)
            nn.init.zeros_(layer.bias)
    return features


def torchvision_names(features):
    return {f'features.{name}': value for name, value in features.state_dict().items()}
