"""Restoration of a whole video of one face, in bounded memory."""

from collections import deque
from contextlib import closing
from itertools import repeat
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from basicsr.utils import get_root_logger
from tqdm import tqdm

from ..archs.inference import for_inference
from ..devices import PRECISIONS, find_device
from ..errors import require
from ..files import make_folder
from ..images import resize, round_to_uint8, to_tensor
from ..video import VideoReader, VideoWriter
from .background import read_ahead, write_behind
from .networks import batch_that_fits, fit_size, load_network
from .streaming import restore_frames

__all__ = ['restore_video']

# Frames read ahead and frames to be written, at least: decoders and encoders take several at a time.
BUFFERED = 4


def restore_video(
    source: str | Path,
    target: str | Path,
    weights: str | Path,
    option_file: str | Path | None = None,
    fidelity: float = 1.0,
    batch_size: int | Literal['auto'] = 'auto',
    size: int | None = None,
    device: str = 'auto',
    crf: int = 18,
    stride: int = 1,
    precision: str = 'fp32',
) -> None:
    """Restore a video of one cropped face, with a progress bar on stderr.

    The output has the input's size, number of frames, exact frame rate, colours and audio. The network sees the
    frames resized: their shape is kept, the short side is `size`, and both sides are multiples of the network's stride.
    A few frames are in memory at a time.

    Args:
        source (str | Path): The video to restore.
        target (str | Path): The video to write, .mp4, .m4v, .mov or .mkv. Its folder is made if needed. The file
            appears when it is complete.
        weights (str | Path): A file that `checkpoints.read_checkpoint` reads.
        option_file (str | Path, optional): Option file whose `network_g` is the network. Default: the network that
            the weights name, or else the published one.
        fidelity (float): The paper's w, in [0, 1].
        batch_size (int | str): Windows in one pass, at least 1; auto as `batch_that_fits`.
        size (int, optional): Short side in the network, in pixels, a multiple of its stride. Default: the network's
            nominal size.
        device (str): auto, cpu, cuda or cuda:N.
        crf (int): H.264 quality, 0 (best) to 51.
        stride (int): Frames from one window to the next, from 1 to the network's number of frames, see
            `streaming.restore_frames`.
        precision (str): Precision of the arithmetic: fp32, bf16 or fp16.

    Raises:
        UserError: A file is missing, unreadable or does not fit, or an argument is out of range.
    """
    require(0 <= fidelity <= 1, f'fidelity must be between 0 and 1, not {fidelity}')
    require(batch_size == 'auto' or batch_size >= 1, f'batch must be at least 1, or auto, not {batch_size}')
    require(stride >= 1, f'stride must be at least 1, not {stride}')
    require(0 <= crf <= 51, f'crf must be between 0 and 51, not {crf}')
    torch_device = find_device(device)
    _warn_if_emulated(precision, torch_device)

    with VideoReader(source) as reader:
        writer = _matching_writer(target, reader, crf)
        net = load_network(weights, option_file)
        require(
            stride <= net.num_frames, f'stride must be {net.num_frames} at most, the frames of a window, not {stride}'
        )
        short_side = net.image_size if size is None else size
        working_size = fit_size(reader.width * reader.pixel_aspect, reader.height, short_side, net.requirements)
        net = for_inference(net.to(torch_device), PRECISIONS[precision])
        if batch_size == 'auto':
            blank = torch.zeros(3, *reversed(working_size))

            def restore_blank(windows: int) -> None:
                frames = repeat(blank, net.num_frames + (windows - 1) * stride)
                deque(restore_frames(net, frames, stride, windows, torch_device, fidelity=fidelity), maxlen=0)

            batch_size = batch_that_fits(restore_blank, torch_device)
        # One thread decodes and one encodes while the network works. Torch is called from this thread alone: in
        # another it would start a second set of CPU threads.
        buffered = max(BUFFERED, batch_size * stride)
        frames = read_ahead((resize(frame, working_size) for frame in reader), buffered)
        restored = restore_frames(net, map(to_tensor, frames), stride, batch_size, torch_device, fidelity=fidelity)

        def write_frame(frame: np.ndarray) -> None:
            writer.write(round_to_uint8(resize(frame.transpose(1, 2, 0), (reader.width, reader.height))))

        make_folder(writer.path.parent)
        with closing(frames), writer, write_behind(write_frame, buffered) as write:
            for frame in tqdm(restored, desc=writer.path.name, total=reader.num_frames, unit='frame'):
                write(frame.float().numpy())


def _matching_writer(target: str | Path, reader: VideoReader, crf: int) -> VideoWriter:
    """Create the writer of a video of the same size, rate, colours and audio as the one that is read."""
    writer = VideoWriter(
        target,
        reader.rate,
        reader.width,
        reader.height,
        audio_from=reader.path,
        crf=crf,
        color=reader.color,
        pixel_aspect=reader.pixel_aspect,
    )
    require(writer.path.resolve() != reader.path.resolve(), f'{target} is the input itself: choose another output')
    return writer


def _warn_if_emulated(precision: str, device: torch.device) -> None:
    if precision != 'fp32' and device.type == 'cpu' and torch.backends.cpu.get_cpu_capability() == 'AVX2':
        get_root_logger().warning(
            f'This processor has no {precision} arithmetic: {precision} will take many times longer than fp32.'
        )
