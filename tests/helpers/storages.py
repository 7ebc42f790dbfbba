"""The same clips in every storage that can be read."""

from pathlib import Path

import lmdb

from pgtf_basicsr.data.clips import Clip, write_meta_info
from pgtf_basicsr.images import read_image
from pgtf_basicsr.video import VideoWriter


def write_lmdb(frames, path):
    """An LMDB of the frame files below a folder, byte for byte; returns its path."""
    with lmdb.open(str(path), map_size=2**28) as database, database.begin(write=True) as transaction:
        for file in sorted(path for path in Path(frames).rglob('*.*') if path.is_file()):
            transaction.put(f'{file.parent.name}/{file.stem}'.encode(), file.read_bytes())
    return path


def write_videos(frames, path, crf=8):
    """A video of each folder of frames; returns their folder."""
    path.mkdir()
    for folder in sorted(Path(frames).iterdir()):
        pictures = [read_image(file) for file in sorted(folder.iterdir())]
        height, width = pictures[0].shape[:2]
        with VideoWriter(path / f'{folder.name}.mp4', 25, width, height, crf=crf) as writer:
            for picture in pictures:
                writer.write(picture)
    return path


def write_list(frames, path):
    """The list of the clips below a folder; returns its path."""
    clips = []
    for folder in sorted(Path(frames).iterdir()):
        files = sorted(folder.iterdir())
        height, width = read_image(files[0]).shape[:2]
        clips.append(Clip(folder.name, len(files), height, width, int(files[0].stem)))
    write_meta_info(path, clips)
    return path
