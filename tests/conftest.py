"""What holds for all tests: no network, and threads that do not get in each other's way."""
import socket

import pytest
import torch

import pgtf_basicsr  # noqa: F401  before any test imports basicsr, which does not import on its own

from .processes import run
from .quickstart import stage_options, write_data, write_options

LOCAL = {None, '', 'localhost', '127.0.0.1', '::1', socket.gethostname()}


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


@pytest.fixture(autouse=True, scope='module')
def one_thread(request):
    """Networks as small as the tests' lose more to waiting for a second thread than they gain."""
    threads = torch.get_num_threads()
    if request.module.__name__ != 'tests.archs.test_parity':
        torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(autouse=True, scope='session')
def logger():
    """Start BasicSR's logger before any test does, whose captured stream would be closed for the next."""
    from basicsr.utils import get_root_logger
    return get_root_logger()


@pytest.fixture(scope='session')
def trained_project(tmp_path_factory):
    """A folder with sample data in which the four stages have been trained for two iterations each."""
    folder = tmp_path_factory.mktemp('project')
    write_data(folder)
    for stage in (1, 2, 3, 4):
        run(folder, 'train', '-opt', write_options(folder, stage_options(stage), f'stage{stage}.yml'))
    return folder
