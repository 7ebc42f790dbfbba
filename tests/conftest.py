"""What holds for all tests: no network, and what many of them share."""

import ctypes
import fcntl
import os
import shutil
import signal
import socket
import warnings

import pytest
import torch
from torch import nn

import pgtf_basicsr  # noqa: F401  before any test imports basicsr, which does not import on its own
from pgtf_basicsr.samples.sample_data import write_sample_data

from .helpers.processes import run
from .helpers.quickstart import stage_options, write_data, write_options
from .helpers.training_steps import write_weights

if not torch.cuda.is_available():
    # Kernels of Triton then run in its interpreter, on a CPU.
    os.environ['TRITON_INTERPRET'] = '1'

# A program that a script starts in the background ignores Control-C, and so would all that the tests start.
signal.signal(signal.SIGINT, signal.default_int_handler)

LOCAL = {None, '', 'localhost', '127.0.0.1', '::1', socket.gethostname()}


def pytest_collection_modifyitems(items):
    """Put quick tests first, because what is wrong is seen soon then, and of slow ones the longest: none ends alone."""
    items.sort(key=slowness)


def slowness(item):
    """Sort key of a test: whether it is marked ``slow``, and the seconds that the mark gives, the most first."""
    mark = item.get_closest_marker('slow')
    return (0, 0) if mark is None else (1, -mark.kwargs.get('seconds', 0))


@pytest.fixture(autouse=True, scope='session')
def offline():
    """Fail any test that looks up a host: nothing may be downloaded."""
    look_up = socket.getaddrinfo

    def refuse(host, *args, **kwargs):
        if host not in LOCAL:
            raise AssertionError(f'a test tried to reach {host}')
        return look_up(host, *args, **kwargs)

    socket.getaddrinfo = refuse
    yield
    socket.getaddrinfo = look_up


@pytest.fixture(autouse=True, scope='session')
def start_logger():
    """Start BasicSR's logger before any test does, whose captured stream would be closed for the next."""
    from basicsr.utils import get_root_logger
    from basicsr.utils.logger import initialized_logger

    logger = get_root_logger()
    handlers = logger.handlers[:]

    def start_again():
        logger.handlers[:] = handlers
        initialized_logger['basicsr'] = True

    return start_again


@pytest.fixture(autouse=True)
def logger(start_logger):
    """Give a test the logger as it was at first: a run within a test before makes handlers of its own."""
    start_logger()


@pytest.fixture(scope='session')
def sample_root(tmp_path_factory):
    """A small sample dataset; tests must not change it."""
    root = tmp_path_factory.mktemp('sample') / 'data'
    write_sample_data(root, clips=2, test_clips=2, clip_frames=8, size=64, video_size=32)
    return root


@pytest.fixture
def fill_new_memory():
    """A function that makes glibc fill what it allocates with bytes made of a positive integer, or leave it for 0."""
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None:
        pytest.skip('only glibc fills memory')
    m_perturb = -6
    yield lambda value: mallopt(m_perturb, value)
    mallopt(m_perturb, 0)


@pytest.fixture(scope='session')
def trained_project(tmp_path_factory):
    """A folder with sample data in which the four stages have been trained for two iterations each."""
    base = tmp_path_factory.getbasetemp()
    # It takes long: the processes of pytest-xdist share it, and each works in a copy.
    original = (base.parent if 'PYTEST_XDIST_WORKER' in os.environ else base) / 'trained'
    with open(f'{original}.lock', 'w') as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not original.exists():
            folder = tmp_path_factory.mktemp('training')
            write_data(folder)
            for stage in (1, 2, 3, 4):
                run(folder, 'train', '-opt', write_options(folder, stage_options(stage), f'stage{stage}.yml'))
            folder.rename(original)
    return shutil.copytree(original, base / 'project')


@pytest.fixture(scope='session')
def weights(tmp_path_factory):
    """A folder with fresh weights of each stage's networks; tests must not change them."""
    folder = tmp_path_factory.mktemp('weights')
    write_weights(folder)
    return folder


@pytest.fixture
def nowhere(monkeypatch, tmp_path):
    """No weights in any of the usual places; the folder that stands for the torch hub cache."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.hub, 'get_dir', lambda: str(tmp_path / 'hub'))
    monkeypatch.setattr('pgtf_basicsr.network_files.package_folder', lambda name: None)
    return tmp_path / 'hub' / 'checkpoints'


class TinyVideoNet(nn.Module):
    """Called as the published I3D is."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv3d(3, 6, (2, 8, 8), stride=(2, 8, 8))

    def forward(self, x: torch.Tensor, rescale: bool = True, resize: bool = True, return_features: bool = False):
        assert not rescale and not resize and return_features
        return self.conv(x).abs().mean(dim=(2, 3, 4))


@pytest.fixture(scope='session')
def i3d_file(tmp_path_factory):
    path = tmp_path_factory.mktemp('i3d') / 'tiny.pt'
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        torch.jit.script(TinyVideoNet()).save(str(path))
    return str(path)
