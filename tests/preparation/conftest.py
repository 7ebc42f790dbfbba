"""Clips of moving portraits as a download has them, and helpers to prepare them."""

import hashlib
import shutil

import numpy as np
import pytest

from pgtf_command import run_command as main
from pgtf_basicsr.data.clips import write_frame, write_landmarks
from pgtf_basicsr.samples.sample_data import FacePath, portraits

SIZE = 96
LENGTH = 8
# {clip: (portrait, number of its first frame, suffix)}
CLIPS = {
    'Clip+anna+P0+C0+F0-7': (0, 0, 'png'),
    'Clip+anna+P1+C1+F40-47': (0, 40, 'png'),
    'Clip+bert+P0+C0+F100-107': (1, 100, 'jpg'),
}


def frames_of(portrait, length=LENGTH, size=SIZE, seed=0):
    """Frames and their true landmarks."""
    face = portraits()[portrait]
    path = FacePath(face.landmarks, size, np.random.default_rng(seed))
    times = np.linspace(0, 1, length)
    return [path.render(face.photo, time) for time in times], [path.landmarks_at(time) for time in times]


def write_clip(folder, frames, first=0, suffix='png'):
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames, first):
        write_frame(folder / f'{number:08d}.{suffix}', frame)


def tree(root):
    """{path: digest} of what a prepared folder holds, but for where it came from."""
    return {
        str(path.relative_to(root)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(root.rglob('*'))
        if path.is_file() and path.name != 'prepare.json'
    }


def report(root):
    """{clip: list of (frames, reason)} of the report."""
    lines = [line.split('\t') for line in (root / 'left_out.txt').read_text().splitlines()[1:]]
    return {clip: [(frames, reason) for name, frames, reason in lines if name == clip] for clip, _, _ in lines}


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
