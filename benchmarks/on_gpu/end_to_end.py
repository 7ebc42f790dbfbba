"""Restoration from frame to frame and from file to file: copies, decoding and encoding beside the network."""

import tempfile
import time
from contextlib import closing
from functools import partial
from itertools import cycle, islice
from pathlib import Path

import cv2
import numpy as np
import torch

from pgtf_basicsr.archs import PGTFormer
from pgtf_basicsr.checkpoints import write_checkpoint
from pgtf_basicsr.restoration.buffering import read_ahead
from pgtf_basicsr.restoration.streaming import restore_frames
from pgtf_basicsr.restoration.whole_video import restore_video
from pgtf_basicsr.video import VideoReader, VideoWriter

from .timing import arithmetic, peak_allocated, peak_reserved, release, wall_seconds

PRECISION = 'bf16'
RATE = 25
# Frames of the videos: what the longer one takes more is free of loading the network and of its first windows.
SHORT, FRAMES = 24, 84
# Stride and windows in one pass.
CASES = ((1, 1), (3, 1), (1, 4), (3, 4))


def measure(run, limit):
    """Frames a second."""
    measure_frames(run, limit)
    # The command loads a network of its own.
    run.drop_networks()
    with tempfile.TemporaryDirectory() as folder:
        measure_videos(run, Path(folder), limit)


def measure_frames(run, limit):
    """Frames on the CPU to frames on the CPU."""
    frames = [torch.rand(3, run.size, run.size) for _ in range(8)]
    for stride, batch in CASES:
        labels = dict(what='frames in memory', stride=stride, batch=batch)
        if limit.over:
            run.results.skip('end_to_end', f'frames in memory, stride {stride}, batch {batch}')
            continue
        with run.attempt('end_to_end', **labels), arithmetic(PRECISION):
            restore = partial(restored, run.fast(PRECISION), frames, stride, batch, run.device)
            restore(2 * batch * stride)
            count = FRAMES if run.device.type == 'cuda' else 2 * batch * stride
            seconds = wall_seconds(partial(restore, count), run.device)
            run.results.add('end_to_end', **labels, **{'frames/s': count / seconds, 'seconds': seconds})


def restored(net, frames, stride, batch, device, count):
    """Restore some frames and drop them."""
    for _ in restore_frames(net, islice(cycle(frames), count), stride, batch, device):
        pass


def measure_videos(run, folder, limit):
    """Files to files, and what decoding and encoding take by themselves."""
    short, whole, weights = folder / 'short.mp4', folder / 'whole.mp4', folder / 'weights.pth'
    few, count = (SHORT, FRAMES) if run.device.type == 'cuda' else (6, 9)
    frames = moving_frames(count, run.size)
    encoding = wall_seconds(partial(write_video, whole, frames), run.device)
    write_video(short, frames[:few])
    decoding = wall_seconds(partial(read_video, whole), run.device)
    for what, seconds in (('decoding alone', decoding), ('encoding alone', encoding)):
        run.results.add('end_to_end', what=what, **{'frames/s': count / seconds, 'seconds': seconds})
    torch.manual_seed(0)
    write_checkpoint(weights, {'params': PGTFormer().state_dict(), 'network': {'type': 'PGTFormer'}})
    for stride, batch in ((1, 1), (3, 1), (3, 'auto')):
        labels = dict(what=f'restore, {count} frames', stride=stride, batch=batch)
        if limit.over:
            run.results.skip('end_to_end', f'restore, stride {stride}, batch {batch}')
            continue
        with run.attempt('end_to_end', **labels):
            release(run.device)
            seconds = {}
            for video in (short, whole):
                start = time.perf_counter()
                restore_video(
                    video,
                    folder / 'restored.mp4',
                    weights,
                    batch_size=batch,
                    size=run.size,
                    device=str(run.device),
                    stride=stride,
                    precision=PRECISION,
                )
                seconds[video] = time.perf_counter() - start
            run.results.add(
                'end_to_end',
                **labels,
                **{
                    'frames/s': (count - few) / (seconds[whole] - seconds[short]),
                    'seconds': seconds[whole],
                    'tensors, GiB': peak_allocated(run.device),
                    'reserved, GiB': peak_reserved(run.device),
                },
            )


def moving_frames(count, size):
    """Frames (H, W, 3) uint8 of coarse noise that moves, and of fine noise that does not repeat."""
    rng = np.random.default_rng(0)
    coarse = cv2.resize(
        rng.uniform(0, 255, (12, 12, 3)).astype(np.float32), (size, size), interpolation=cv2.INTER_CUBIC
    )
    return [
        np.clip(np.roll(coarse, 2 * i, axis=1) + rng.normal(0, 3, coarse.shape), 0, 255).astype(np.uint8)
        for i in range(count)
    ]


def write_video(path, frames):
    height, width = frames[0].shape[:2]
    with VideoWriter(path, RATE, width, height) as writer:
        for frame in frames:
            writer.write(frame)


def read_video(path):
    with VideoReader(path) as reader, closing(read_ahead(reader, 4)) as frames:
        for _ in frames:
            pass
