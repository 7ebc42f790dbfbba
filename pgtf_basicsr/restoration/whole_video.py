"""Restoration of whole videos, in bounded memory."""

import copy
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch

from ..errors import DataError, require
from ..faces.analysis import Analysis
from ..files import make_folder
from ..version import __version__
from .background import write_behind
from .crop_mode import CropMode, working_size
from .jobs import Job, file_identity
from .loaded_network import LoadedNetwork
from .modes import Mode
from .outputs import Output, StreamOutput, output_of
from .reports import RESTORATION, Outcome, Progress, Report, TextReport
from .segments import FrameWriter, SegmentedWriter
from .settings import Settings
from .sources import Source, open_source

__all__ = ['Restorer', 'restore_video']


def restore_video(
    source: str | Path,
    target: str | Path,
    weights: str | Path,
    option_file: str | Path | None = None,
    resume: bool = False,
    report: Report | None = None,
    **settings: Any,
) -> Outcome:
    """Restore a video.

    Args:
        source, target, resume, report: As of `Restorer.restore_video`.
        weights, option_file: As of `Restorer`.
        **settings: As of `settings.Settings`.

    Raises:
        UserError: A file is missing, unreadable or does not fit, or an argument is out of range.
    """
    return Restorer(weights, option_file, Settings(**settings)).restore_video(source, target, resume, report)


class Restorer:
    """Restores videos with one network, which is loaded when it is first needed.

    Args:
        weights (str | Path): A file that `checkpoints.read_checkpoint` reads, or one on the Hub, see
            `hub.find_weights`.
        option_file (str | Path, optional): Option file whose `network_g` is the network. Default: the network that
            the weights name, or else the published one.
        settings (Settings): How videos are restored and written.

    Raises:
        UserError: This machine has no such device, or weights on the Hub cannot be fetched.
    """

    def __init__(self, weights: str | Path, option_file: str | Path | None, settings: Settings):
        self._weights, self._option_file, self.settings = weights, option_file, settings
        self._network = LoadedNetwork(weights, option_file, settings.device, settings.precision)

    @classmethod
    def from_checkpoint(
        cls,
        weights: str | Path,
        option_file: str | Path | None = None,
        device: str = 'auto',
        precision: str = 'fp32',
        **settings: Any,
    ) -> 'Restorer':
        """Make a restorer from a file of weights, or from weights on the Hub.

        Args:
            weights, option_file: As of `Restorer`.
            device, precision, **settings: As of `settings.Settings`.

        Raises:
            UserError: As of `Restorer`; or a setting is out of range.
        """
        return cls(weights, option_file, Settings(device=device, precision=precision, **settings))

    def with_settings(self, **changes: Any) -> 'Restorer':
        """Make a restorer with other settings, which shares the network that is loaded, if it fits.

        Raises:
            UserError: A setting is out of range.
        """
        other = copy.copy(self)
        other.settings = replace(self.settings, **changes)
        if (other.settings.device, other.settings.precision) != (self.settings.device, self.settings.precision):
            other = Restorer(self._weights, self._option_file, other.settings)
        return other

    def analyse(self, source: str | Path, report: Report | None = None) -> Analysis:
        """Find the faces of a video: the first of the two passes, without the network.

        Args:
            source (str | Path): The video.
            report (Report, optional): Takes what is to be reported. Default: a `TextReport`.

        Returns:
            Analysis: Its faces. If `Settings.analysis` names a file, it is read from there, or written there.

        Raises:
            UserError: A file is missing, unreadable or does not fit.
        """
        raise NotImplementedError

    def restore(self, frames: Iterable[np.ndarray], rate: float | Fraction = 25) -> Iterator[np.ndarray]:
        """Restore frames in memory, a few at a time.

        Args:
            frames (Iterable[ndarray]): (H, W, 3) uint8 RGB, all of one size. Unless `Settings.faces` is crop they are
                gone through twice; what can be gone through once only, such as a generator, is kept in a temporary
                file meanwhile.
            rate (float | Fraction): Frames per second.

        Yields:
            ndarray: (H, W, 3) uint8 RGB, one for each frame, `Settings.scale` times as wide and high.

        Raises:
            UserError: A file is missing, unreadable or does not fit.
            ValueError: Frames are of another type, or their size changes.
        """
        raise NotImplementedError

    def restore_video(
        self, source: str | Path, target: str | Path, resume: bool = False, report: Report | None = None
    ) -> Outcome:
        """Restore a video.

        The output has the input's number and times of frames, colours and other streams; and its size, unless
        `Settings.scale` says otherwise. A few frames are in memory at a time.

        Args:
            source (str | Path): The video to restore.
            target (str | Path): The video to write. Its folder is made if needed. The file appears when it is
                complete.
            resume (bool): Continue what an earlier run has begun and not finished.
            report (Report, optional): Takes what is to be reported: how many frames are done, for example. Default: a
                `TextReport`.

        Raises:
            UserError: A file is missing, unreadable or does not fit, or an argument is out of range.
        """
        raise NotImplementedError
