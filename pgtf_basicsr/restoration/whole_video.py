"""Restoration of whole videos, in bounded memory."""

import copy
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, nullcontext
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import av
import numpy as np
import torch
from basicsr.utils import get_root_logger

from ..archs import PGTFormer
from ..errors import require
from ..faces.analysis import Analysis, VideoFacts
from ..files import make_folder
from ..hub import find_weights
from ..version import __version__
from ..video.formats import VideoFormat
from .buffering import write_behind
from .faces.analysis import analyse_frames, analyse_video, analysis_path
from .faces.backgrounds import Background
from .faces.choice import FaceChoice, choose_faces, read_shown_frames, shown_images
from .faces.restoration import uses_parsing
from .io.kept_input import is_pipe, kept_frames, kept_video
from .io.outputs import Output, StreamOutput, output_of
from .io.segments import FrameWriter, SegmentedWriter, count_finished
from .io.sources import PIPE, ArraysSource, Source, open_source
from .jobs import Job, file_digest, file_identity, is_of_broken_data
from .loaded_network import LoadedNetwork
from .modes.crop import CropMode, working_size
from .modes.faces import FacesMode, background_of
from .modes.mode import Deferred, Mode
from .modes.side_by_side import SideBySide
from .preview import preview_part, write_comparison
from .reports import RESTORATION, Outcome, Progress, Report, TextReport, VideoReport
from .settings import CROP, PLAIN, Settings

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
            device, precision: As of `settings.Settings`.
            **settings: As of `settings.Settings`.

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
            Analysis: Its faces. If `Settings.analysis` names a file, they are read from there, or written there.

        Raises:
            UserError: A file is missing, unreadable or does not fit.
        """
        kept = None if self.settings.analysis is None else Path(self.settings.analysis)
        told = VideoReport(report or TextReport(), Outcome(str(source), str(kept)))
        with told, kept_video(source, told.warn) as path:
            return analyse_video(path, str(source), self.settings, kept, told)

    def restore(self, frames: Iterable[np.ndarray], rate: float | Fraction = 25) -> Iterator[np.ndarray]:
        """Restore frames in memory, a few of them at a time.

        Args:
            frames (Iterable[ndarray]): (H, W, 3) uint8 RGB, all of one size. Unless `Settings.faces` is crop they are
                gone through twice; what can be gone through once only, such as a generator, is kept in a temporary
                file meanwhile.
            rate (float | Fraction): Frames per second.

        Yields:
            ndarray: (H, W, 3) uint8 RGB, one for each frame, `Settings.scale` times as wide and high.

        Raises:
            UserError: A file is missing, unreadable or does not fit.
            ValueError: There are no frames, they are of another type, or their size changes.
        """
        settings = self.settings
        background = background_of(settings, self._network.device)
        with nullcontext(frames) if settings.faces == CROP else kept_frames(frames) as kept:
            source, faces = ArraysSource(kept, Fraction(rate)), None
            if settings.faces != CROP:
                facts = VideoFacts('the video', source.width, source.height, 0, float(rate))
                analysis = analyse_frames(source, facts, settings, lambda frames, faces: None)
                again = partial(shown_images, source, analysis)
                faces = choose_faces(analysis, settings, again, get_root_logger().warning)
            mode = self._mode(source, source.format, faces, background)
            with closing(mode.restore(source, 0)) as restored:
                for make in restored:
                    yield make().planes.to_rgb()

    def restore_video(
        self, source: str | Path, target: str | Path, resume: bool = False, report: Report | None = None
    ) -> Outcome:
        """Restore a video.

        The output has the input's number and times of frames, colours and other streams; and its size, unless
        `Settings.scale` says otherwise. A few frames are in memory at a time.

        Args:
            source (str | Path): The video to restore.
            target (str | Path): The video to write. Its folder is made if needed. The file appears when it is
                complete. The faces that were found are kept beside it.
            resume (bool): Continue what an earlier run has begun and not finished.
            report (Report, optional): Takes what is to be reported: how many frames are done, for example. Default: a
                `TextReport`.

        Raises:
            UserError: A file is missing, unreadable or does not fit, or an argument is out of range.
        """
        settings = self.settings
        require(not (resume and is_pipe(source)), 'what comes through a pipe cannot be resumed')
        require(settings.preview is None or str(target) != PIPE, 'a preview needs a file to write')
        told = VideoReport(report or TextReport(), Outcome(str(source), str(target)))
        with told, nullcontext(source) if settings.faces == CROP else kept_video(source, told.warn) as path:
            faces = None
            if settings.faces != CROP:
                self._check(path, target, told)
            background = background_of(settings, self._network.device)
            if settings.faces != CROP:
                analysis = analyse_video(path, str(source), settings, analysis_path(target, settings), told)
                again = partial(read_shown_frames, path, analysis, settings)
                faces = choose_faces(analysis, settings, again, told.warn)
            if faces is None and settings.background != PLAIN:
                told.warn('frames that are restored as a whole have no background: it is not restored')
            if settings.preview is not None:
                settings, faces = preview_part(path, settings, faces, told.warn)
            with open_source(path, settings, told.warn) as reader:
                output = output_of(target, reader, settings)
                self._announce(reader, output, faces, told)
                self._restore(reader, output, faces, background, settings, resume, told)
            if settings.preview is not None:
                largest = None if faces is None else faces.largest
                number = told.outcome.frames // 2 if largest is None else largest
                write_comparison(path, output.path, settings, number)
        return told.outcome

    def _check(self, source: str | Path, target: str | Path, told: VideoReport) -> None:
        """Say what would be lost, and find what would fail, before faces are looked for."""
        with open_source(source, self.settings, told.warn) as reader:
            self._announce(reader, output_of(target, reader, self.settings), None, told)
        uses_parsing(self.net, self.settings.mask)

    def _announce(self, reader: Source, output: Output, faces: FaceChoice | None, told: VideoReport) -> None:
        """Say what of the input is not kept."""
        working_size(self.net, reader, self.settings)
        outcome = told.outcome
        outcome.kept, outcome.dropped = output.kept, output.dropped
        outcome.changed = (*reader.warnings, *output.changed)
        outcome.faces = () if faces is None else faces.summary
        for message in (*outcome.dropped, *outcome.changed):
            told.warn(message)

    def _restore(
        self,
        reader: Source,
        output: Output,
        faces: FaceChoice | None,
        background: Background,
        settings: Settings,
        resume: bool,
        told: VideoReport,
    ) -> None:
        mode = self._mode(reader, output.format, faces, background)
        if settings.side_by_side:
            mode = SideBySide(mode, settings.scale)
        total = reader.num_frames if faces is None else len(faces.counts)
        if isinstance(output, StreamOutput):
            with output.open() as writer:
                self._write_frames(reader, mode, 0, writer, total, told)
            return
        make_folder(output.place.parent)
        description = {**self._describe(reader, settings), 'faces': CROP if faces is None else faces.digest}
        job = Job(output.path, output.segment_suffix, description, resume, output.segment_frames, output.place)
        with job:
            try:
                first = job.num_frames
                told.outcome.resumed = told.outcome.frames = count_finished(job)
                with SegmentedWriter(job, output.path, output.open_segment, output.format) as writer:
                    self._write_frames(reader, mode, first, writer, total, told)
                output.join(job.segments)
            except BaseException as error:
                if job.num_frames and not is_of_broken_data(error):
                    told.warn(f'{output.path} is not finished: {job.kept}; --resume continues it')
                raise

    def _write_frames(
        self, reader: Source, mode: Mode, first: int, writer: FrameWriter, total: int | None, told: VideoReport
    ) -> None:
        """Restore the frames from a number on, and write them."""

        def write_frame(make: Deferred) -> None:
            writer.write(make())

        started, outcome = time.monotonic(), told.outcome
        frames = islice(reader, mode.first_frame_for(first), None)
        told.begin(RESTORATION, total)
        with closing(mode.restore(frames, first)) as restored, write_behind(write_frame, mode.buffered) as write:
            for number, make in enumerate(restored, first):
                write(make)
                outcome.frames, outcome.seconds = number + 1, time.monotonic() - started
                told.advance(Progress(RESTORATION, outcome.frames, outcome.seconds, mode.faces_in(number)))

    def _mode(
        self, source: Source | ArraysSource, format: VideoFormat, faces: FaceChoice | None, background: Background
    ) -> Mode:
        net, device, settings = self.net, self._network.device, self.settings
        if faces is None:
            return CropMode(net, device, source, format, settings)
        return FacesMode(net, device, faces, source.pixel_aspect, format, settings, background)

    @property
    def net(self) -> PGTFormer:
        """The network, on its device.

        Raises:
            UserError: A file is missing, unreadable or does not fit, or the network does not allow the stride.
        """
        net, stride = self._network.net, self.settings.stride
        require(
            stride <= net.num_frames, f'stride must be {net.num_frames} at most, the frames of a window, not {stride}'
        )
        return net

    def _describe(self, reader: Source, settings: Settings) -> dict[str, Any]:
        """What the result depends on. Devices and sizes of batches change no more than rounding."""
        background = settings.background_weights
        versions = {'pgtf-basicsr': __version__, 'PyAV': av.__version__, 'torch': torch.__version__}
        return {
            **{f'input {name}': value for name, value in file_identity(reader.path).items()},
            **self._network.description,
            **settings.describe(),
            'background weights': None if background is None else file_digest(find_weights(background)),
            **versions,
        }
