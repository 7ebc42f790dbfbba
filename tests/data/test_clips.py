import numpy as np
import pytest

from pgtf_basicsr.data.clips import (
    Clip,
    read_landmarks,
    read_meta_info,
    resolve_inside,
    write_landmarks,
    write_meta_info,
)
from pgtf_basicsr.errors import UserError


@pytest.mark.parametrize('name', ['../other', '/etc', 'a/../../b'])
def test_names_do_not_lead_out_of_the_root(tmp_path, name):
    with pytest.raises(UserError, match='leads out of'):
        resolve_inside(tmp_path, name, 'dataroot_gt')


def test_meta_info_lists_clips(tmp_path):
    path = tmp_path / 'meta.txt'
    path.write_text('Clip+a+P0+C0+F1-9/9\n\nb/120\n')
    assert read_meta_info(path) == [Clip('Clip+a+P0+C0+F1-9', 9), Clip('b', 120)]
    path.write_text('a/9\nb 120\n')
    with pytest.raises(UserError, match='meta.txt, line 2'):
        read_meta_info(path)


def test_meta_info_with_sizes_survives_writing_and_reading(tmp_path):
    clips = [Clip('a clip with spaces', 100, 720, 1280, 0), Clip('b/7', 12, 64, 48, 31)]
    write_meta_info(tmp_path / 'meta.txt', clips)
    assert (tmp_path / 'meta.txt').read_text() == 'a clip with spaces 100 (720,1280,3) 0\nb/7 12 (64,48,3) 31\n'
    assert read_meta_info(tmp_path / 'meta.txt') == clips
    (tmp_path / 'meta.txt').write_text('a 100 (720,1280)\n')
    with pytest.raises(UserError, match='meta.txt, line 1'):
        read_meta_info(tmp_path / 'meta.txt')


def test_landmarks_survive_writing_and_reading(tmp_path):
    landmarks = {f'{index:08d}': np.random.default_rng(index).uniform(0, 100, (5, 2)) for index in (3, 4)}
    write_landmarks(tmp_path / 'clip.txt', landmarks)
    read = read_landmarks(tmp_path / 'clip.txt')
    assert list(read) == list(landmarks)
    assert np.allclose(read['00000004'], landmarks['00000004'], atol=1e-3)


def test_a_broken_landmark_line_is_named(tmp_path):
    (tmp_path / 'clip.txt').write_text('00000000 ' + '1 ' * 10 + '\n00000001 1 2 3\n')
    with pytest.raises(UserError, match='clip.txt, line 2'):
        read_landmarks(tmp_path / 'clip.txt')
    with pytest.raises(UserError, match='absent.txt'):
        read_landmarks(tmp_path / 'absent.txt')
