"""Clips of moving portraits as a download has them, and what a prepared folder holds."""

import hashlib

import numpy as np

from pgtf_basicsr.images import write_image
from pgtf_basicsr.samples.portraits import FacePath, portraits

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
        write_image(folder / f'{number:08d}.{suffix}', frame)


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
