import pytest

from pgtf_basicsr.data import write_sample_data


@pytest.fixture(scope='session')
def sample_root(tmp_path_factory):
    """A small sample data set; tests must not change it."""
    root = tmp_path_factory.mktemp('sample') / 'data'
    write_sample_data(root, clips=2, test_clips=2, clip_frames=8, size=64, video_size=32)
    return root
