"""Backbone files and no network: what tests of losses need."""

import socket

import pytest
import torch

from ..helpers.backbones import seeded_features, torchvision_names


@pytest.fixture(scope='session')
def backbone_file(tmp_path_factory):
    """Function (arch, depth=None) → path of a torch file with torchvision's names."""
    folder = tmp_path_factory.mktemp('backbones')

    def save(arch, depth=None):
        path = folder / f'{arch}_{depth}.pth'
        if not path.exists():
            torch.save(torchvision_names(seeded_features(arch, depth)), path)
        return path

    return save


@pytest.fixture(autouse=True)
def offline(monkeypatch):
    """Every attempt to reach the network fails the test."""

    def refuse(*args, **kwargs):
        raise AssertionError('a loss tried to use the network')

    monkeypatch.setattr(socket.socket, 'connect', refuse)
    monkeypatch.setattr(torch.hub, 'download_url_to_file', refuse)
    monkeypatch.setattr(torch.hub, 'load_state_dict_from_url', refuse)


@pytest.fixture
def empty_hub(monkeypatch, tmp_path):
    """A torch hub cache with nothing in it; the path where its files would lie."""
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    return tmp_path / 'hub' / 'checkpoints'
