"""A download to prepare, and ``basicsr prepare`` itself."""

import shutil

import pytest

from pgtf_basicsr.data.clips import write_landmarks
from pgtf_command import run_command as main

from ..helpers.downloads import CLIPS, frames_of, write_clip


@pytest.fixture(scope='session')
def download(tmp_path_factory):
    """A folder ``clips`` of frames and one ``landmarks``; tests must not change it."""
    root = tmp_path_factory.mktemp('download')
    (root / 'landmarks').mkdir()
    for seed, (name, (portrait, first, suffix)) in enumerate(CLIPS.items()):
        frames, landmarks = frames_of(portrait, seed=seed)
        write_clip(root / 'clips' / 'group1' / name, frames, first, suffix)
        write_landmarks(
            root / 'landmarks' / f'{name}.txt',
            {f'{number:08d}': points for number, points in enumerate(landmarks, first)},
        )
    return root


@pytest.fixture
def source(download, tmp_path):
    """A copy of the download that may be broken, as folder ``clips`` and ``landmarks``."""
    shutil.copytree(download, tmp_path / 'download')
    return tmp_path / 'download'


@pytest.fixture
def prepare(capsys):
    """Run ``basicsr prepare``; returns what was written, the exit status must be as told."""

    def run(*arguments, status=0):
        assert main(['prepare', *map(str, arguments)]) == status
        captured = capsys.readouterr()
        assert 'Traceback' not in captured.err
        told = [line for line in captured.err.splitlines() if line.startswith('basicsr: ')]
        return captured.out if status == 0 else '\n'.join(told)

    return run


@pytest.fixture
def prepare_given(prepare):
    """The same for vfhq with the landmarks that lie beside the clips: quicker than to detect them."""

    def run(download, destination, *arguments, source='clips', **keywords):
        return prepare(
            'vfhq',
            download / source,
            destination,
            '--landmarks',
            download / 'landmarks',
            '--min-length',
            3,
            '--workers',
            1,
            *arguments,
            **keywords,
        )

    return run
