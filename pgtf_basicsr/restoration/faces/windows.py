"""Windows of several faces through one network: crops in, frame by frame, restored crops out.

A face is in view from one frame to another, which is known before. So its windows follow from numbers of frames alone,
and none of them reaches beyond its ends: what is before a cut never meets what is after it. Windows of all faces share
passes. The result for a face is that of `streaming.restore_frames` for its crops.
"""

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain, count, pairwise
from typing import Generic, NamedTuple, Protocol, TypeVar

import torch
from torch import Tensor

from ...faces.masks import STEADY_REACH
from ..transfers import begin_fetch, send
from ..windows import blend_weights, weighted_mean

__all__ = ['CropResults', 'Span', 'WindowStream', 'faces_in_view', 'first_frame_for_faces', 'restore_crops']

Features = TypeVar('Features')

# Full passes, of one face, between two frames that no pass goes across.
PASSES = 4


class Span(Protocol):
    """Consecutive frames with a face, such as a `faces.crop_paths.CropPath`."""

    @property
    def first(self) -> int:
        """Number of the first frame."""

    @property
    def last(self) -> int:
        """Number of the last frame."""


class WindowStream(Protocol[Features]):
    """What restores windows, such as an `archs.inference.streaming.PGTFormerStream`."""

    @property
    def num_frames(self) -> int:
        """Frames T of a window."""

    def frame_features(self, frame: Tensor, /) -> Features:
        """Compute of (1, 3, H, W) what depends on it alone."""

    def restore(self, features: list[Features], output_frames: slice, /) -> Tensor:
        """Restore the output frames, (B, T', 3, H, W), of features of B * T frames; the list is emptied."""


class CropResults(NamedTuple):
    """What was computed of the faces of a frame, by their index.

    Attributes:
        images (dict[int, Tensor]): Restored crops, (3, H, W) on the CPU, not clamped.
        measured (dict[int, Tensor]): What was measured of their features, on the CPU.
    """

    images: dict[int, Tensor]
    measured: dict[int, Tensor]


def restore_crops(
    stream: WindowStream[Features],
    crops: Iterable[Mapping[int, Tensor]],
    spans: Sequence[Span],
    stride: int = 1,
    batch_size: int = 1,
    device: str | torch.device = 'cpu',
    first: int = 0,
    measure: Callable[[Features], Tensor] | None = None,
) -> Iterator[CropResults]:
    """Restore the crops of several faces.

    Args:
        stream (WindowStream): Of the network.
        crops (Iterable[Mapping[int, Tensor]]): For each frame, from the one of number `first_frame_for_faces` on, the
            crops (3, H, W) of all faces in view, by the index of their span; RGB, float in [0, 1].
        spans (Sequence[Span]): In which frames the faces are in view.
        stride (int): As of `streaming.restore_frames`.
        batch_size (int): Windows in one pass; the result depends on it by rounding alone.
        device (str | torch.device): Where the network works.
        first (int): Number of the first frame whose result is needed.
        measure (Callable, optional): Computes something else of the features of a crop.

    Yields:
        CropResults: For each frame of ``crops``. Frames before ``first`` have no restored crops.

    Raises:
        ValueError: The stride does not fit, or the frames end before a face does.
    """
    if not 1 <= stride <= stream.num_frames:
        raise ValueError(f'stride must be from 1 to {stream.num_frames}, not {stride}')
    passes = _Passes(stream, stride, batch_size)
    block = _block(stride, batch_size)
    tracks: dict[int, _Track[Features]] = {}
    waiting: deque[_Waiting] = deque()

    def complete_frames() -> Iterator[CropResults]:
        while waiting and all(tracks[index].complete >= waiting[0].number for index in waiting[0].restored):
            frame = waiting.popleft()
            versions = {index: tracks[index].versions.pop(frame.number) for index in frame.restored}
            for index in [index for index in frame.restored if spans[index].last == frame.number]:
                del tracks[index]
            yield CropResults(
                {index: weighted_mean(each) for index, each in versions.items()},
                {index: wait() for index, wait in frame.measured.items()},
            )

    number = begin = first_frame_for_faces(first, stream.num_frames, stride, batch_size)
    for number, frame in enumerate(crops, begin):
        measured = {}
        for index in sorted(frame):
            if index not in tracks:
                # Windows that are complete before the block of the first result are not needed.
                tracks[index] = _Track(_windows(spans[index], stream.num_frames, stride, first // block * block))
            with torch.no_grad():
                features = stream.frame_features(send(frame[index][None], device))
                if measure is not None:
                    measured[index] = begin_fetch(measure(features))
            tracks[index].features[number] = features
            del features
        waiting.append(_Waiting(number, sorted(frame) if number >= first else [], measured))
        for index in sorted(frame):
            passes.add(number, tracks[index])
        # No window waits for others for longer than a single face takes to fill a pass.
        if (number + 1) % block == 0 or passes.oldest(number) <= number - batch_size * stride:
            passes.flush(number)
        # Results of this frame's passes are left to the GPU until the next ones have been launched.
        passes.collect(number, first)
        yield from complete_frames()
    if any(span.first <= number < span.last for span in spans):
        raise ValueError(f'the frames end with number {number}, before a face does')
    passes.flush(number)
    passes.collect(number + 1, first)
    yield from complete_frames()


def faces_in_view(spans: Sequence[Span], first: int = 0) -> Iterator[list[int]]:
    """Yield for each frame from a number on, without end, the indices of the faces in view."""
    begins = deque(sorted(range(len(spans)), key=lambda index: spans[index].first))
    in_view: list[int] = []
    for number in count(first):
        while begins and spans[begins[0]].first <= number:
            in_view.append(begins.popleft())
        in_view = [index for index in in_view if spans[index].last >= number]
        yield sorted(in_view)


def first_frame_for_faces(frame: int, num_frames: int, stride: int, batch_size: int) -> int:
    """Find the frame at which the restoration of faces has to begin for the same results from another frame on.

    Passes are then the same. So are masks, which look at frames before, see `faces.masks.steady`.

    Args:
        frame (int): Number of the first frame whose result is needed.
        num_frames (int): T, the frames of a window.
        stride (int): As of `restore_crops`.
        batch_size (int): As of `restore_crops`.
    """
    block = _block(stride, batch_size)
    # A window that is complete with a frame of this block begins at most T - 1 frames before.
    return max(0, min(frame // block * block - (num_frames - 1), frame - 2 * STEADY_REACH))


def _block(stride: int, batch_size: int) -> int:
    """Frames in a block: windows that are complete in different blocks never share a pass."""
    return 1 if batch_size == 1 else PASSES * batch_size * stride


class _Waiting(NamedTuple):
    """A frame that waits for its windows.

    Attributes:
        number (int): Its number.
        restored (list[int]): Indices of the faces whose results are needed.
        measured (dict[int, Callable]): What waits for what was measured, by index.
    """

    number: int
    restored: list[int]
    measured: dict[int, Callable[[], Tensor]]


@dataclass(frozen=True)
class _Window:
    """A window of a face.

    Attributes:
        numbers (list[int]): Numbers of its T frames, ascending; those at the face's ends repeat.
        restored (range): Numbers of the frames that it restores.
        complete (int): Number of the last frame that no later window restores.
    """

    numbers: list[int]
    restored: range
    complete: int


def _windows(span: Span, num_frames: int, stride: int, start: int) -> Iterator[_Window]:
    """List windows of a face, but for those that are complete before the frame of number ``start``."""
    first, last = span.first, span.last
    if stride == 1:
        before = num_frames // 2
        for number in range(max(first, start - num_frames), last + 1):
            window = _Window(
                [min(max(place, first), last) for place in range(number - before, number - before + num_frames)],
                range(number, number + 1),
                number,
            )
            if window.numbers[-1] >= start:
                yield window
        return
    # The last window ends with the last frame; see `windows.strided_windows`.
    final = max(last - num_frames + 1, first)
    begins = range(first, final, stride)
    for begin, following in pairwise(chain(begins, (final, last + 1))):
        end = min(begin + num_frames, last + 1)
        if end > start:
            numbers = [min(place, last) for place in range(begin, begin + num_frames)]
            yield _Window(numbers, range(begin, end), following - 1)


class _Track(Generic[Features]):
    """A face in view.

    Attributes:
        features (dict[int, Features]): Of the frames that windows need which are not complete yet, by number.
        versions (dict[int, list[tuple[float, Tensor]]]): Restored crops of frames by number, with their weights.
        complete (int): Number of the last frame that has all its versions.
    """

    def __init__(self, windows: Iterator[_Window]) -> None:
        self._windows = windows
        self._next = next(windows, None)
        self.features: dict[int, Features] = {}
        self.versions: defaultdict[int, list[tuple[float, Tensor]]] = defaultdict(list)
        self.complete = -1

    def take(self, number: int) -> Iterator[tuple[_Window, list[Features]]]:
        """Yield the windows that are complete with a frame, and let go what none of the others needs."""
        while self._next and self._next.numbers[-1] <= number:
            window, self._next = self._next, next(self._windows, None)
            yield window, [self.features[place] for place in window.numbers]
        needed = self._next.numbers[0] if self._next else number + 1
        for place in [place for place in self.features if place < needed]:
            del self.features[place]


@dataclass
class _Queued(Generic[Features]):
    """A window that waits for its pass, or for the result of it, since the frame of a number was taken."""

    number: int
    track: _Track[Features]
    window: _Window
    features: list[Features] = field(default_factory=list)


class _Passes(Generic[Features]):
    """Passes of a network over windows of several faces."""

    def __init__(self, stream: WindowStream[Features], stride: int, batch_size: int) -> None:
        self._stream, self._batch_size = stream, batch_size
        middle = stream.num_frames // 2
        self._output_frames = slice(middle, middle + 1) if stride == 1 else slice(None)
        self._weights = blend_weights(stream.num_frames)
        self._queue: deque[_Queued[Features]] = deque()
        self._launched: deque[tuple[int, list[_Queued[Features]], Callable[[], Tensor]]] = deque()

    def add(self, number: int, track: _Track[Features]) -> None:
        """Queue the windows of a face that are complete with a frame, and make the passes that are full."""
        for window, features in track.take(number):
            self._queue.append(_Queued(number, track, window, features))
            if len(self._queue) == self._batch_size:
                self._launch(number, self._batch_size)

    def oldest(self, number: int) -> int:
        """Number of the frame with which the oldest window that is queued was complete, or this one."""
        return self._queue[0].number if self._queue else number

    def flush(self, number: int) -> None:
        """Make passes for what is queued: one by one, because each number of windows takes memory for a CUDA graph."""
        while self._queue:
            self._launch(number, 1)

    def collect(self, number: int, first: int) -> None:
        """Give tracks the results of passes that were made before a frame; frames before ``first`` need none."""
        while self._launched and self._launched[0][0] < number:
            _, queued, wait = self._launched.popleft()
            for item, images in zip(queued, wait()):
                for place, weight, image in zip(item.window.restored, self._weights, images):
                    if place >= first:
                        item.track.versions[place].append((weight, image))
                item.track.complete = item.window.complete

    def _launch(self, number: int, windows: int) -> None:
        batch = [self._queue.popleft() for _ in range(windows)]
        features = [feature for item in batch for feature in item.features]
        for item in batch:
            # What is kept of a frame goes with the last window it is in, as soon as that has used it.
            item.features.clear()
        with torch.no_grad():
            result = self._stream.restore(features, self._output_frames)
        self._launched.append((number, batch, begin_fetch(result)))
