import ctypes

import cv2
import numpy as np
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


@pytest.fixture
def labelled_image():
    """A function that writes an image of 64 pixels with one labelled part, in the layout of CelebAMask-HQ."""

    def write(root):
        for name in ('CelebA-HQ-img', 'CelebAMask-HQ-mask-anno/0'):
            (root / name).mkdir(parents=True)
        cv2.imwrite(str(root / 'CelebA-HQ-img/0.jpg'), np.full((64, 64, 3), 128, np.uint8))
        cv2.imwrite(str(root / 'CelebAMask-HQ-mask-anno/0/00000_skin.png'), np.full((32, 32, 3), 255, np.uint8))

    return write
