import json
import shutil

import lmdb
import numpy as np
import pytest

from pgtf_basicsr.data.clips import read_landmarks, read_meta_info, write_landmarks
from pgtf_basicsr.images import read_image, write_image
from pgtf_basicsr.preparation.checking import check_layout

from ..helpers.downloads import LENGTH


@pytest.fixture(scope='session', params=['frames', 'lmdb', 'video'])
def layout(request, download, tmp_path_factory):
    from pgtf_command import run_command as main

    root = tmp_path_factory.mktemp('layout') / 'out'
    copy = ['--copy'] if request.param == 'frames' else []
    assert (
        main(
            [
                'prepare',
                'vfhq',
                str(download / 'clips'),
                str(root),
                '--landmarks',
                str(download / 'landmarks'),
                '--min-length',
                '3',
                '--workers',
                '1',
                '--storage',
                request.param,
                *copy,
            ]
        )
        == 0
    )
    return request.param, root


@pytest.fixture
def broken(layout, tmp_path):
    """A storage's name, a folder to break, and a clip of its training split."""
    storage, root = layout
    shutil.copytree(root, tmp_path / 'out')
    return storage, tmp_path / 'out', read_meta_info(tmp_path / 'out' / 'train' / 'meta_info.txt')[0]


def change_lmdb(root, change):
    with (
        lmdb.open(str(root / 'train' / 'GT.lmdb'), lock=False) as environment,
        environment.begin(write=True) as transaction,
    ):
        change(transaction)


def test_a_good_layout_is_summarised(layout, prepare):
    storage, root = layout
    output = prepare('check', root)
    assert output.endswith(f'{root}: no problems\n')
    assert f'{LENGTH} frames' in output and '96x96' in output
    assert {'frames': 'as frames', 'lmdb': 'as LMDB', 'video': 'as videos'}[storage] in output


def test_a_missing_frame_is_found_quickly(broken, prepare):
    storage, root, clip = broken
    name = f'{clip.first + 3:08d}'
    if storage == 'frames':
        next((root / 'train' / 'GT' / clip.name).glob(f'{name}.*')).unlink()
        expected = f'1 frame of {LENGTH} missing, the first is {name}'
    elif storage == 'lmdb':
        change_lmdb(root, lambda transaction: transaction.pop(f'{clip.name}/{name}'.encode()))
        expected = f'1 frame of {LENGTH} missing, the first is {name}'
    else:
        path = root / 'train' / 'GT' / f'{clip.name}.mp4'
        path.write_bytes(path.read_bytes()[:1000])
        expected = f'{clip.name}.mp4'
    error = prepare('check', root, '--quick', status=2)
    assert f'train, {clip.name}' in error and expected in error and error.count('\n') == 0


def test_a_broken_frame_is_found(broken):
    storage, root, clip = broken
    name = f'{clip.first + 3:08d}'
    if storage == 'frames':
        path = next((root / 'train' / 'GT' / clip.name).glob(f'{name}.*'))
        path.write_bytes(path.read_bytes()[:200])
    elif storage == 'lmdb':
        change_lmdb(root, lambda transaction: transaction.put(f'{clip.name}/{name}'.encode(), b'not an image'))
    else:
        path = root / 'train' / 'GT' / f'{clip.name}.mp4'
        data = bytearray(path.read_bytes())
        start = data.find(b'mdat') + 2000
        data[start : start + 600] = bytes(600)
        path.write_bytes(data)
    if storage != 'video':  # where nothing is decoded, nothing is seen
        assert check_layout(root, quick=True).problems == []
    (problem,) = check_layout(root).problems
    assert clip.name in problem


def test_sizes_landmarks_and_names_are_compared(download, tmp_path, prepare_given):
    root = tmp_path / 'out'
    prepare_given(download, root, '--copy')
    train = root / 'train'
    clip = read_meta_info(train / 'meta_info.txt')[0]
    path = next((train / 'GT' / clip.name).iterdir())
    write_image(path, read_image(path)[:40])
    landmark_file = train / 'landmarks' / f'{clip.name}.txt'
    landmarks = read_landmarks(landmark_file)
    problems = check_layout(root).problems
    assert len(problems) == 1 and 'is 96x40, not 96x96' in problems[0]
    write_landmarks(landmark_file, {frame: points * np.nan for frame, points in landmarks.items()})
    assert any('not finite' in problem for problem in check_layout(root, quick=True).problems)
    write_landmarks(landmark_file, dict(list(landmarks.items())[1:]))
    assert any(
        '7 lines, which are not those of the 8 frames' in problem for problem in check_layout(root, quick=True).problems
    )
    landmark_file.unlink()
    (train / 'landmarks' / 'stranger.txt').write_text('')
    problems = check_layout(root, quick=True).problems
    assert any('cannot read' in problem for problem in problems)
    assert any('stranger: it is there but not listed' in problem for problem in problems)
    done = root / 'prepare_done.jsonl'
    records = [
        {**json.loads(line), 'identity': identity}
        for line, identity in zip(
            done.read_text().splitlines(),
            ('a', 'a', 'a') if len(read_meta_info(train / 'meta_info.txt')) == 3 else ('a', 'b', 'a'),
        )
    ]
    done.write_text(''.join(json.dumps(record) + '\n' for record in records))
    assert any('is both trained on and held out' in problem for problem in check_layout(root, quick=True).problems)


def test_a_folder_that_was_not_prepared(tmp_path, prepare):
    assert 'was not prepared, or not to the end' in prepare('check', tmp_path, status=2)
