import ctypes

import pytest

from pgtf_basicsr.samples.sample_data import write_sample_data


@pytest.fixture(scope='session')
def sample_root(tmp_path_factory):
    """A small sample data set; tests must not change it."""
    root = tmp_path_factory.mktemp('sample') / 'data'
    write_sample_data(root, clips=2, test_clips=2, clip_frames=8, size=64, video_size=32)
    return root


@pytest.fixture
def fill_new_memory():
    """A function that makes glibc fill what it allocates with bytes made of a number from 1 on, or leave it for 0."""
    mallopt = getattr(ctypes.CDLL(None), 'mallopt', None)
    if mallopt is None:
        pytest.skip('only glibc fills memory')
    m_perturb = -6
    yield lambda value: mallopt(m_perturb, value)
    mallopt(m_perturb, 0)
