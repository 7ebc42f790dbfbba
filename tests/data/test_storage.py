"""Clips from folders, LMDB, videos, and from behind URLs."""

import functools
import multiprocessing
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from mmengine.fileio import BaseStorageBackend, register_backend

from pgtf_basicsr.data.clips import Clip
from pgtf_basicsr.data.storage import ClipVideos, FrameFolders, FrameLmdb, RemoteClips, open_storage
from pgtf_basicsr.errors import DataError, UserError
from pgtf_basicsr.images import read_image
from pgtf_basicsr.video import VideoReader, VideoWriter
from pgtf_basicsr.video.seeking import read_frames

from ..helpers.storages import write_lmdb, write_videos


@pytest.fixture(scope='module')
def root(sample_root, tmp_path_factory):
    """A folder with the training clips in three storages."""
    folder = tmp_path_factory.mktemp('storages')
    (folder / 'GT').symlink_to(sample_root / 'train/GT')
    write_lmdb(folder / 'GT', folder / 'GT.lmdb')
    write_videos(folder / 'GT', folder / 'videos')
    return folder


@pytest.fixture(scope='module')
def url(root):
    """The folder behind HTTP on this machine."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(('127.0.0.1', 0), functools.partial(Quiet, directory=str(root)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    server.server_close()


CLIP = Clip('hopper_001', 8, 64, 64, 0)
NAMES = ['00000005', '00000002']


def expected(root):
    return [read_image(root / 'GT/hopper_001' / f'{name}.png') for name in NAMES]


@pytest.mark.parametrize('name, kind', [('GT', FrameFolders), ('GT.lmdb', FrameLmdb), ('videos', ClipVideos)])
def test_what_is_there_chooses_the_storage(root, name, kind):
    storage = open_storage(root / name, 'dataroot_gt')
    assert type(storage) is kind
    assert [(clip.name, clip.num_frames) for clip in storage.list_clips()] == [('collins_000', 8), ('hopper_001', 8)]
    assert storage.find_missing(['hopper_001', 'absent', 'hopper']) == ['absent', 'hopper']
    assert storage.open(CLIP).names == [f'{number:08d}' for number in range(8)]


def test_lmdb_and_http_give_the_frames_of_the_files(root, url):
    for storage in (
        open_storage(root / 'GT', 'dataroot_gt'),
        open_storage(root / 'GT.lmdb', 'dataroot_gt'),
        open_storage(f'{url}/GT', 'dataroot_gt'),
        open_storage(f'{url}/GT/', 'dataroot_gt', {'type': 'http'}, 'png'),
    ):
        clip = storage.open(CLIP)
        assert all(map(np.array_equal, clip.read(NAMES), expected(root)))
        assert NAMES[0] in clip.locate(NAMES[0]) and 'hopper_001' in clip.locate(NAMES[0])


def test_videos_are_read_from_files_and_urls(root, url):
    remote = open_storage(f'{url}/videos', 'dataroot_gt', filename_ext='mp4')
    for storage in (open_storage(root / 'videos', 'dataroot_gt'), remote):
        frames = storage.open(CLIP).read(NAMES)
        # Colours are coded at half the resolution; brightness is not.
        assert all(
            np.abs(frame.mean(axis=-1) - truth.mean(axis=-1)).mean() < 3 for frame, truth in zip(frames, expected(root))
        )


@pytest.mark.parametrize('rate, options', [(25, {}), ('30000/1001', {}), (24, {'codec': 'libx265'})])
def test_frames_from_the_middle_are_those_of_reading_from_the_start(tmp_path, rate, options):
    from fractions import Fraction

    rng = np.random.default_rng(0)
    path = tmp_path / 'clip.mp4'
    with VideoWriter(path, Fraction(rate), 64, 48, **options) as writer:
        for number in range(60):
            writer.write(np.clip(rng.normal(4 * number, 8, (48, 64, 3)), 0, 255).astype(np.uint8))
    with VideoReader(path) as reader:
        truth = list(reader.images())
    for numbers in ([0], [59], [31, 30, 32], [50, 3], [7, 7]):
        # Neighbours differ by four levels; the two conversions to RGB, by rounding and the filter of chroma.
        for frame, number in zip(read_frames(str(path), numbers, 'clip.mp4'), numbers, strict=True):
            assert abs(np.mean(frame.astype(int) - truth[number])) < 1
    with pytest.raises(DataError, match='clip.mp4 has no frame 60'):
        read_frames(str(path), [59, 60], 'clip.mp4')


class BucketBackend(BaseStorageBackend):
    """A stand-in for an object store's client, with mmengine's interface."""

    def __init__(self, folder):
        self.folder = folder

    def get(self, filepath):
        return Path(self.folder, filepath.removeprefix('bucket://')).read_bytes()

    def get_text(self, filepath, encoding='utf-8'):
        return self.get(filepath).decode(encoding)


def test_any_backend_of_mmengine_is_read_through(root):
    register_backend('bucket', BucketBackend, prefixes='bucket', force=True)
    storage = open_storage('bucket://GT', 'dataroot_gt', {'type': 'bucket', 'folder': str(root)})
    assert type(storage) is RemoteClips
    assert all(map(np.array_equal, storage.open(CLIP).read(NAMES), expected(root)))
    with pytest.raises(DataError, match='dataroot_gt: cannot read bucket://GT/absent/00000000.png'):
        storage.open(Clip('absent', 8)).read(['00000000'])


def test_what_cannot_be_listed_wants_a_list(url):
    with pytest.raises(UserError, match='cannot be listed; name the list of its clips in meta_info_file'):
        open_storage(f'{url}/GT', 'dataroot_gt').list_clips()


def test_a_server_that_has_no_such_frame_is_named(url):
    storage = open_storage(f'{url}/GT', 'dataroot_gt')
    with pytest.raises(DataError, match='dataroot_gt: cannot read http://.*/hopper_001/00000009.png: HTTP Error 404'):
        storage.open(CLIP).read(['00000009'])


def read_in_process(root, results):
    (frame,) = open_storage(root, 'dataroot_gt').open(CLIP).read(['00000005'])
    results.put(int(frame.astype(np.int64).sum()))


def test_lmdb_is_read_in_this_process_and_in_others(root):
    first, second = (open_storage(root / 'GT.lmdb', 'dataroot_gt') for _ in range(2))
    truth = int(expected(root)[0].astype(np.int64).sum())
    assert all(
        int(storage.open(CLIP).read(['00000005'])[0].astype(np.int64).sum()) == truth for storage in (first, second)
    )
    context = multiprocessing.get_context('fork')
    results = context.Queue()
    process = context.Process(target=read_in_process, args=(root / 'GT.lmdb', results))
    process.start()
    assert results.get(timeout=60) == truth
    process.join()
    assert process.exitcode == 0
    assert len(first.open(CLIP).read(NAMES)) == 2


def test_an_lmdb_that_is_cut_short_is_named_and_kills_nobody(root, tmp_path):
    (tmp_path / 'cut.lmdb').mkdir()
    data = (root / 'GT.lmdb/data.mdb').read_bytes()
    (tmp_path / 'cut.lmdb/data.mdb').write_bytes(data[: len(data) // 2])
    storage = open_storage(tmp_path / 'cut.lmdb', 'dataroot_gt')
    for _ in range(2):  # a training that leaves broken data out comes back to it
        with pytest.raises(DataError, match='cannot read the LMDB .*cut.lmdb: .*cut short'):
            storage.open(CLIP).read(NAMES)


@pytest.mark.parametrize(
    'arguments, complaint',
    [
        (('/nowhere/GT',), 'dataroot_gt: no folder /nowhere/GT'),
        (('/nowhere/GT.lmdb', {'type': 'lmdb'}), 'dataroot_gt: no LMDB at /nowhere/GT.lmdb'),
        (('s3://bucket/GT',), 'dataroot_gt: mmengine has no file backend for s3://bucket/GT: .*petrel'),
        (('GT', {'type': 'nosuch'}), 'dataroot_gt: mmengine has no file backend for GT'),
    ],
)
def test_storages_that_are_not_there_are_named(arguments, complaint):
    root, *rest = arguments
    with pytest.raises(UserError, match=complaint):
        open_storage(root, 'dataroot_gt', *rest)


@pytest.mark.parametrize('name', ['../other', '/etc'])
def test_no_clip_leads_out_of_its_storage(root, name):
    for storage in (open_storage(root / 'GT', 'dataroot_gt'), open_storage('http://127.0.0.1:9/GT', 'dataroot_gt')):
        with pytest.raises(UserError, match='leads out of'):
            storage.open(Clip(name, 8))
