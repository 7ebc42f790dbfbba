"""Restoration of chosen faces in whole frames; the rest of the frames stays."""

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from fractions import Fraction
from functools import partial

import torch

from ...archs import PGTFormer
from ...errors import DataError
from ...video.formats import VideoFormat
from ...video.frame import Frame
from ..batches import choose_batch_size
from ..buffering import BUFFERED, read_ahead
from ..faces.backgrounds import Background, PlainBackground, RealESRGANBackground
from ..faces.choice import FaceChoice
from ..faces.restoration import FaceRestorer
from ..settings import CROP, PLAIN, Settings
from .mode import Deferred

__all__ = ['FacesMode', 'background_of']


class FacesMode:
    """Restores faces in frames, see `mode.Mode`. One thread decodes and samples crops, one pastes and encodes.

    Args:
        net (PGTFormer): In evaluation mode, on the device.
        device (torch.device): The device.
        faces (FaceChoice): The faces.
        pixel_aspect (Fraction): Width of a pixel of the frames over its height.
        format (VideoFormat): What frames are to be in.
        settings (Settings): How they are restored.
        background (Background): Makes what faces are pasted into.

    Raises:
        UserError: The network has no such mask.
    """

    def __init__(
        self,
        net: PGTFormer,
        device: torch.device,
        faces: FaceChoice,
        pixel_aspect: Fraction,
        format: VideoFormat,
        settings: Settings,
        background: Background,
    ):
        size = net.image_size if settings.size is None else settings.size
        batch_size = choose_batch_size(net, (size, size), device, settings)
        self._counts = faces.counts
        self._restorer = FaceRestorer(
            net,
            faces.paths,
            format,
            background=background,
            size=size,
            stride=settings.stride,
            batch_size=batch_size,
            device=device,
            fidelity=settings.fidelity,
            strength=settings.strength,
            match_colours=settings.match_colour,
            mask=settings.mask,
            pixel_aspect=pixel_aspect,
        )
        self.buffered = BUFFERED

    def first_frame_for(self, frame: int) -> int:
        return self._restorer.first_frame(frame)

    def faces_in(self, frame: int) -> int | None:
        return int(self._counts[frame]) if frame < len(self._counts) else 0

    def restore(self, frames: Iterable[Frame], first: int) -> Generator[Deferred, None, None]:
        complete = self._complete(frames, self.first_frame_for(first))
        with closing(read_ahead(self._restorer.sample(complete, first), self.buffered)) as sampled:
            for restored in self._restorer.restore(sampled, first):
                yield partial(self._restorer.paste, restored)

    def _complete(self, frames: Iterable[Frame], begin: int) -> Iterator[Frame]:
        """Pass frames through, and notice where there are fewer than were analysed."""
        end = begin
        for frame in frames:
            yield frame
            end += 1
        if end < len(self._counts):
            raise DataError(
                f'the video ends after {end} frames, but its faces were found in {len(self._counts)}: it has been '
                'cut or damaged since, or their file is wrong; remove that file to find them again'
            )


def background_of(settings: Settings, device: torch.device) -> Background:
    """Make the background that the settings name; frames that are restored as a whole need none but the plain one.

    Raises:
        UserError: Its weights do not fit, or its package is not installed.
    """
    if settings.background == PLAIN or settings.faces == CROP:
        return PlainBackground(settings.scale)
    weights = settings.background_weights
    assert weights is not None  # the settings have checked it
    return RealESRGANBackground(weights, settings.scale, device, settings.precision)
