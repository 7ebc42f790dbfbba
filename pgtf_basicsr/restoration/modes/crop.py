"""Restoration of frames as a whole: of a video that is cropped to one face."""

from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from fractions import Fraction
from functools import partial

import numpy as np
import torch

from ...archs import PGTFormer
from ...images import resize, round_to, to_tensor
from ...video.formats import VideoFormat
from ...video.frame import Frame, PlanarFrame
from ...video.planes import to_planes
from ..batches import choose_batch_size
from ..buffering import BUFFERED, read_ahead
from ..io.segments import first_frame_for
from ..io.sources import ArraysSource, Source
from ..networks import fit_size
from ..settings import Settings
from ..streaming import restore_frames
from .mode import Deferred

__all__ = ['CropMode', 'working_size']


class CropMode:
    """Restores frames as a whole, see `mode.Mode`.

    The network sees them resized: their shape is kept, the short side is `Settings.size`, and both sides are multiples
    of the network's stride.

    Args:
        net (PGTFormer): In evaluation mode, on the device.
        device (torch.device): The device.
        source (Source): The frames' video.
        format (VideoFormat): What frames are to be in.
        settings (Settings): How they are restored.

    Raises:
        UserError: The network does not accept the size.
    """

    def __init__(
        self,
        net: PGTFormer,
        device: torch.device,
        source: Source | ArraysSource,
        format: VideoFormat,
        settings: Settings,
    ):
        self._net, self._device, self._format = net, device, format
        self._stride, self._fidelity = settings.stride, settings.fidelity
        self._size = working_size(net, source, settings)
        self._written = source.width * settings.scale, source.height * settings.scale
        self._dtype = np.dtype(np.uint8 if source.format.depth == 8 else np.uint16)
        self._batch_size = choose_batch_size(net, self._size, device, settings)
        self.buffered = max(BUFFERED, self._batch_size * self._stride)

    def first_frame_for(self, frame: int) -> int:
        return first_frame_for(frame, self._net.num_frames, self._stride, self._batch_size)

    def faces_in(self, frame: int) -> int | None:
        return None

    def restore(self, frames: Iterable[Frame], first: int) -> Generator[Deferred, None, None]:
        # One thread decodes and one encodes while the network works. Torch is called from this thread alone: in
        # another it would start a second set of CPU threads.
        places: deque[tuple[Fraction, Fraction]] = deque()
        with closing(read_ahead(self._resized(frames), self.buffered)) as resized:
            tensors = _tensors(resized, places)
            results = restore_frames(
                self._net, tensors, self._stride, self._batch_size, self._device, fidelity=self._fidelity
            )
            for number, restored in enumerate(results, self.first_frame_for(first)):
                place = places.popleft()
                if number >= first:
                    yield partial(self._planar, restored.float().numpy(), *place)

    def _planar(self, restored: np.ndarray, time: Fraction, duration: Fraction) -> PlanarFrame:
        image = round_to(resize(restored.transpose(1, 2, 0), self._written), self._dtype)
        return PlanarFrame(to_planes(image, self._format), time, duration)

    def _resized(self, frames: Iterable[Frame]) -> Iterator[Frame]:
        """Resize frames, and let go of what they were decoded to."""
        return (Frame(resize(frame.image, self._size), frame.time, frame.duration) for frame in frames)


def working_size(net: PGTFormer, source: Source | ArraysSource, settings: Settings) -> tuple[int, int]:
    """Compute the width and height at which the network sees frames.

    Raises:
        UserError: The network does not accept `Settings.size`.
    """
    short_side = net.image_size if settings.size is None else settings.size
    return fit_size(source.width * source.pixel_aspect, source.height, short_side, net.requirements)


def _tensors(frames: Iterable[Frame], places: deque[tuple[Fraction, Fraction]]) -> Iterator[torch.Tensor]:
    """Convert frames for the network, and note when each is shown."""
    for frame in frames:
        places.append((frame.time, frame.duration))
        yield to_tensor(frame.image)
