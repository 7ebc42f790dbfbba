"""Restoration of whole videos of one face, in bounded memory."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing
from fractions import Fraction
from functools import cached_property, partial
from itertools import islice, repeat
from pathlib import Path
from typing import Any, cast

import av
import numpy as np
import torch
from basicsr.utils import get_root_logger

from ..archs import PGTFormer
from ..archs.inference import for_inference
from ..config.packaged.files import find_option_file
from ..devices import PRECISIONS, find_device
from ..errors import DataError, require
from ..files import make_folder
from ..hub import find_weights
from ..images import resize, round_to, to_tensor
from ..version import __version__
from ..video.formats import VideoFormat
from ..video.frame import Frame, PlanarFrame
from ..video.planes import to_planes
from .background import read_ahead, write_behind
from .jobs import Job, file_digest, file_identity
from .networks import batch_that_fits, fit_size, load_network
from .outputs import Output, StreamOutput, output_of
from .reports import Outcome, Report, TextReport
from .segments import FrameWriter, SegmentedWriter, first_frame_for
from .settings import Settings
from .sources import Source, open_source
from .streaming import restore_frames

__all__ = ['Restorer', 'restore_video']

# Frames read ahead and frames to be written, at least: decoders and encoders take several at a time.
BUFFERED = 4


def restore_video(
    source: str | Path,
    target: str | Path,
    weights: str | Path,
    option_file: str | Path | None = None,
    resume: bool = False,
    report: Report | None = None,
    **settings: Any,
) -> Outcome:
    """Restore a video of one cropped face.

    Args:
        source, target, resume, report: As of `Restorer.restore`.
        weights, option_file: As of `Restorer`.
        **settings: As of `settings.Settings`.

    Raises:
        UserError: A file is missing, unreadable or does not fit, or an argument is out of range.
    """
    return Restorer(weights, option_file, Settings(**settings)).restore(source, target, resume, report)


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
        self.weights, self.option_file, self.settings = find_weights(weights), option_file, settings
        self.device = find_device(settings.device)
        _warn_if_emulated(settings.precision, self.device)

    def restore(
        self, source: str | Path, target: str | Path, resume: bool = False, report: Report | None = None
    ) -> Outcome:
        """Restore a video.

        The output has the input's size, number and times of frames, colours and other streams. The network sees the
        frames resized: their shape is kept, the short side is `Settings.size`, and both sides are multiples of the
        network's stride. A few frames are in memory at a time.

        Args:
            source (str | Path): The video to restore.
            target (str | Path): The video to write. Its folder is made if needed. The file appears when it is
                complete.
            resume (bool): Continue what an earlier run has begun and not finished.
            report (Report, optional): Takes what is to be reported. Default: a `TextReport`.

        Raises:
            UserError: A file is missing, unreadable or does not fit, or an argument is out of range.
        """
        report = report or TextReport()
        outcome = Outcome(str(source), str(target))
        try:
            with open_source(source, self.settings, partial(report.warn, outcome)) as reader:
                self._restore(reader, output_of(target, reader, self.settings), resume, report, outcome)
        except BaseException as error:
            outcome.error = (str(error) or type(error).__name__).splitlines()[0]
            raise
        finally:
            report.end(outcome)
        return outcome

    def _restore(self, reader: Source, output: Output, resume: bool, report: Report, outcome: Outcome) -> None:
        size = self._working_size(reader)  # checked before anything is written
        outcome.kept, outcome.dropped = output.kept, output.dropped
        outcome.changed = (*reader.warnings, *output.changed)
        for message in (*outcome.dropped, *outcome.changed):
            report.warn(outcome, message)
        if isinstance(output, StreamOutput):
            with output.open() as writer:
                self._write_frames(reader, size, 0, writer, output.format, report, outcome)
            return
        make_folder(output.path.parent)
        require(not (resume and reader.path.is_fifo()), 'what comes through a pipe cannot be resumed')
        job = Job(output.path, output.segment_suffix, self._describe(reader), resume, output.segment_frames)
        with job:
            try:
                first = job.num_frames
                with SegmentedWriter(job, output.path, output.open_segment, output.format) as writer:
                    self._write_frames(reader, size, first, writer, output.format, report, outcome)
                output.join(job.segments)
            except BaseException as error:
                if job.num_frames and not isinstance(error, DataError):
                    report.warn(outcome, f'{output.path} is not finished: {job.kept}; --resume continues it')
                raise

    def _write_frames(
        self,
        reader: Source,
        size: tuple[int, int],
        first: int,
        writer: FrameWriter,
        format: VideoFormat,
        report: Report,
        outcome: Outcome,
    ) -> None:
        """Restore the frames from a number on, and write them."""
        stride, started = self.settings.stride, time.monotonic()
        batch_size = self.settings.batch_size
        if batch_size == 'auto':
            batch_size = batch_that_fits(partial(self._restore_blank, size), self.device)
        begin = first_frame_for(first, self._network.num_frames, stride, batch_size)
        # One thread decodes and one encodes while the network works. Torch is called from this thread alone: in
        # another it would start a second set of CPU threads.
        buffered = max(BUFFERED, batch_size * stride)
        frames = read_ahead(_resized(islice(reader, begin, None), size), buffered)
        places: deque[tuple[Fraction, Fraction]] = deque()
        restored = restore_frames(
            self._network, _tensors(frames, places), stride, batch_size, self.device, fidelity=self.settings.fidelity
        )

        dtype = np.dtype(np.uint8 if reader.format.depth == 8 else np.uint16)

        def write_frame(item: tuple[np.ndarray, Fraction, Fraction]) -> None:
            image = resize(item[0].transpose(1, 2, 0), (reader.width, reader.height))
            writer.write(PlanarFrame(to_planes(round_to(image, dtype), format), *item[1:]))

        outcome.resumed = outcome.frames = first
        report.begin(outcome, reader.num_frames)
        with closing(frames), write_behind(write_frame, buffered) as write:
            for number, image in enumerate(restored, begin):
                place = places.popleft()
                if number < first:
                    continue
                write((image.float().numpy(), *place))
                outcome.frames, outcome.seconds = number + 1, time.monotonic() - started
                report.advance(outcome)

    def _restore_blank(self, size: tuple[int, int], windows: int) -> None:
        """Restore as many blank frames as two passes of that many windows need: in the second a graph is recorded."""
        blank, stride = torch.zeros(3, *reversed(size)), self.settings.stride
        frames = repeat(blank, self._network.num_frames + (2 * windows - 1) * stride)
        fidelity = self.settings.fidelity
        deque(restore_frames(self._network, frames, stride, windows, self.device, fidelity=fidelity), maxlen=0)

    @cached_property
    def _network(self) -> PGTFormer:
        net = load_network(self.weights, self.option_file)
        stride = self.settings.stride
        require(
            stride <= net.num_frames, f'stride must be {net.num_frames} at most, the frames of a window, not {stride}'
        )
        return cast(PGTFormer, for_inference(net.to(self.device), PRECISIONS[self.settings.precision]))

    @cached_property
    def _network_description(self) -> dict[str, Any]:
        option_file = None if self.option_file is None else file_digest(Path(find_option_file(self.option_file)))
        return {'weights': file_digest(self.weights), 'option file': option_file}

    def _working_size(self, reader: Source) -> tuple[int, int]:
        net = self._network
        short_side = net.image_size if self.settings.size is None else self.settings.size
        return fit_size(reader.width * reader.pixel_aspect, reader.height, short_side, net.requirements)

    def _describe(self, reader: Source) -> dict[str, Any]:
        """What the result depends on. Devices and sizes of batches change no more than rounding."""
        versions = {'pgtf-basicsr': __version__, 'PyAV': av.__version__, 'torch': torch.__version__}
        return {
            **{f'input {name}': value for name, value in file_identity(reader.path).items()},
            **self._network_description,
            **self.settings.describe(),
            **versions,
        }


def _resized(frames: Iterable[Frame], size: tuple[int, int]) -> Iterator[Frame]:
    """Resize frames, and let go of what they were decoded to."""
    return (Frame(resize(frame.image, size), frame.time, frame.duration) for frame in frames)


def _tensors(frames: Iterable[Frame], places: deque[tuple[Fraction, Fraction]]) -> Iterator[torch.Tensor]:
    """Convert frames for the network, and note when each is shown."""
    for frame in frames:
        places.append((frame.time, frame.duration))
        yield to_tensor(frame.image)


def _warn_if_emulated(precision: str, device: torch.device) -> None:
    if precision != 'fp32' and device.type == 'cpu' and torch.backends.cpu.get_cpu_capability() == 'AVX2':
        get_root_logger().warning(
            f'This processor has no {precision} arithmetic: {precision} will take many times longer than fp32.'
        )
