"""Restoration of tracked faces in whole frames: frames and paths of crops in, frames to write out."""

from collections import defaultdict, deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import islice

import cv2
import numpy as np
import torch
from torch import Tensor

from ...archs import PGTFormer
from ...archs.inference import stream
from ...archs.inference.streaming import FrameFeatures
from ...errors import require
from ...faces.colour_matching import match_colour
from ...faces.crop_paths import CropPath
from ...faces.masks import STEADY_REACH, at_crop_size, ellipse_mask, face_probability, parsing_mask, steady
from ...faces.pasting import RestoredCrop, paste_faces
from ...faces.sampling import sample_crop
from ...faces.transforms import compose, resize_matrix
from ...images import to_tensor
from ...video.formats import VideoFormat
from ...video.frame import Frame, PlanarFrame
from ...video.planes import Planes
from ..settings import MASKS
from .backgrounds import Background
from .windows import CropResults, faces_in_view, first_frame_for_faces, restore_crops

__all__ = ['FaceRestorer', 'RestoredFrame', 'SampledFrame', 'uses_parsing']

# What `FaceRestorer` takes as a mask.
# Classes of CelebAMask-HQ, whose labels masks are made of.
NUM_CLASSES = 19


@dataclass(frozen=True)
class SampledFrame:
    """A frame and the crops of its faces.

    Attributes:
        number (int): Its number.
        frame (Frame): The frame.
        crops (dict[int, ndarray]): (size, size, 3) RGB of the image's type, by the index of their path.
    """

    number: int
    frame: Frame
    crops: dict[int, np.ndarray]


@dataclass(frozen=True)
class RestoredFrame:
    """A frame and its restored faces, before they are pasted.

    Attributes:
        sampled (SampledFrame): The frame and its crops.
        planes (Planes): What faces are pasted into.
        images (dict[int, ndarray]): Restored crops, (3, size, size) float32, not clamped, by the index of their path.
        parsed (dict[int, ndarray]): Where masks are parsed, the probability of face, (h, w), steadied over time.
    """

    sampled: SampledFrame
    planes: Planes
    images: dict[int, np.ndarray]
    parsed: dict[int, np.ndarray]


class FaceRestorer:
    """Restores faces in three steps, each of which yields a frame as soon as it can.

    The first and the last one are work of OpenCV, which another thread may do. The second one calls torch.

    Args:
        net (PGTFormer): In evaluation mode, on ``device``, see also `archs.inference.for_inference`.
        paths (Sequence[CropPath]): Where the faces are, in square pixels, by numbers of frames.
        format (VideoFormat): Of the planes to write.
        background (Background): Makes what faces are pasted into.
        size (int): Side of crops in pixels.
        stride (int): As of `streaming.restore_frames`.
        batch_size (int): Windows in one pass, of one or of several faces.
        device (str | torch.device): Where ``net`` works.
        fidelity (float): The paper's w.
        strength (float): How much of the change is pasted, from 0 to 1.
        match_colours (bool): Give faces the colours of their surroundings, see `faces.colour_matching`.
        mask (str): What is pasted. ``parsing``: what the network's face parsing takes for face; ``ellipse``; ``auto``:
            the first one, where the network has a face parsing that was trained.
        pixel_aspect (Fraction): Width of a pixel of the frames over its height.

    Raises:
        UserError: ``mask`` is another word, or parsing for a network whose face parsing was not trained.
    """

    def __init__(
        self,
        net: PGTFormer,
        paths: Sequence[CropPath],
        format: VideoFormat,
        *,
        background: Background,
        size: int,
        stride: int = 1,
        batch_size: int = 1,
        device: str | torch.device = 'cpu',
        fidelity: float = 1.0,
        strength: float = 1.0,
        match_colours: bool = True,
        mask: str = 'auto',
        pixel_aspect: Fraction = Fraction(1),
    ):
        self._stream = stream(net, fidelity=fidelity)
        self._paths, self._format, self._background = paths, format, background
        self._size, self._stride, self._batch_size, self._device = size, stride, batch_size, device
        self._strength, self._match_colours = strength, match_colours
        self._to_square = resize_matrix(float(pixel_aspect), 1)
        self._parses = uses_parsing(net, mask)

    def first_frame(self, first: int) -> int:
        """Number of the frame at which frames have to begin for results from another one on, see `windows`."""
        return first_frame_for_faces(first, self._stream.num_frames, self._stride, self._batch_size)

    def sample(self, frames: Iterable[Frame], first: int = 0) -> Iterator[SampledFrame]:
        """Sample the crops of frames.

        Args:
            frames (Iterable[Frame]): The frames of number `first_frame` and on.
            first (int): Number of the first frame to restore.
        """
        begin = self.first_frame(first)
        for number, (frame, in_view) in enumerate(zip(frames, faces_in_view(self._paths, begin)), begin):
            crops = {index: sample_crop(frame.image, self._matrix(index, number), self._size) for index in in_view}
            yield SampledFrame(number, frame, crops)

    def restore(self, frames: Iterable[SampledFrame], first: int = 0) -> Iterator[RestoredFrame]:
        """Restore crops, and make what they are pasted into.

        Args:
            frames (Iterable[SampledFrame]): What `sample` yields.
            first (int): Number of the first frame to restore.

        Yields:
            RestoredFrame: The frames of number ``first`` and on.

        Raises:
            ValueError: The network does not accept the size or stride, or the frames end before a path does.
        """
        waiting: deque[SampledFrame] = deque()
        results = restore_crops(
            self._stream,
            _tensors(frames, waiting),
            self._paths,
            self._stride,
            self._batch_size,
            self._device,
            first,
            _face_of if self._parses else None,
        )
        faces = _steadied(results, self.first_frame(first)) if self._parses else ((each.images, {}) for each in results)
        for images, parsed in faces:
            sampled = waiting.popleft()
            if sampled.number >= first:
                planes = self._background.prepare(sampled.frame, self._format)
                arrays = {index: image.float().numpy() for index, image in images.items()}
                yield RestoredFrame(sampled, planes, arrays, parsed)

    def paste(self, restored: RestoredFrame) -> PlanarFrame:
        """Paste restored crops into the planes of their frame."""
        frame, planes = restored.sampled.frame, restored.planes
        if restored.images:
            faces = [self._restored_crop(index, restored) for index in restored.images]
            paste_faces(planes.samples, planes.format, faces, self._strength)
        return PlanarFrame(planes, frame.time, frame.duration)

    def _restored_crop(self, index: int, restored: RestoredFrame) -> RestoredCrop:
        size, scale = self._size, self._background.scale
        matrix = compose(self._matrix(index, restored.sampled.number), resize_matrix(1 / scale, 1 / scale))
        # Pixels that are not square are wider or higher; masks are as soft as the steeper side needs.
        steepest = float(np.hypot(*matrix[:, :2]).max())
        if index in restored.parsed:
            mask = parsing_mask(at_crop_size(restored.parsed[index], size), steepest)
        else:
            mask = ellipse_mask(size, steepest)
        if self._background.keeps_samples:
            crop = _unit(restored.sampled.crops[index])
        else:
            # The face replaces what the background shows in its place.
            crop = _unit(sample_crop(restored.planes.to_rgb(), matrix, size))
        image = cv2.merge([channel.clip(0, 1) for channel in restored.images[index]])
        if self._match_colours:
            image = match_colour(image, crop, mask)
        return RestoredCrop(matrix, crop, image, mask)

    def _matrix(self, index: int, number: int) -> np.ndarray:
        """Transform (2, 3) from pixels of a frame to those of a crop."""
        return compose(self._paths[index].matrix(number, self._size), self._to_square)


def uses_parsing(net: PGTFormer, mask: str) -> bool:
    """Whether masks are made of face parsing.

    Args:
        net (PGTFormer): The network.
        mask (str): As of `FaceRestorer`.

    Raises:
        UserError: The mask is another word, or parsing for a network whose face parsing was not trained.
    """
    require(mask in MASKS, f'mask must be one of {", ".join(MASKS)}, not {mask}')
    parsing = net.parsing_net
    trained = parsing is not None and parsing.num_classes == NUM_CLASSES and parsing.is_trained
    require(
        trained or mask != 'parsing',
        'mask cannot be parsing: the weights have no face parsing that was trained; choose ellipse or auto',
    )
    return trained and mask != 'ellipse'


def _face_of(features: FrameFeatures) -> Tensor:
    """Probability of face, (h, w), at the size of the parsing network's main head."""
    assert features.logits is not None
    return face_probability(features.logits[0])


def _unit(image: np.ndarray) -> np.ndarray:
    """Convert an image, uint8 or uint16, to float32 in [0, 1], with the bits of `images.to_tensor`."""
    return image.astype(np.float32) / np.float32(np.iinfo(image.dtype).max)


def _tensors(frames: Iterable[SampledFrame], waiting: deque[SampledFrame]) -> Iterator[dict[int, Tensor]]:
    """Convert crops for the network, and note their frames."""
    for frame in frames:
        waiting.append(frame)
        yield {index: to_tensor(crop) for index, crop in frame.crops.items()}


def _steadied(results: Iterable[CropResults], begin: int) -> Iterator[tuple[dict[int, Tensor], dict[int, np.ndarray]]]:
    """Yield restored crops and what was parsed of each face, steadied over time.

    Results are held until those have come that `steady` looks at, and parsing alone until nothing looks back at it.

    Args:
        results (Iterable[CropResults]): With probabilities (h, w) measured.
        begin (int): Number of the first one's frame.
    """
    reach = 2 * STEADY_REACH
    held: deque[tuple[int, CropResults]] = deque()
    parsed: defaultdict[int, dict[int, np.ndarray]] = defaultdict(dict)

    def next_one() -> tuple[dict[int, Tensor], dict[int, np.ndarray]]:
        number, result = held.popleft()
        steadied = {}
        for index in result.measured:
            parsed[index].pop(number - reach - 1, None)
            before = sum(other < number for other in parsed[index])
            steadied[index] = next(islice(steady(parsed[index].values()), before, None))
        for index in [index for index in parsed if index not in result.measured and max(parsed[index]) < number]:
            del parsed[index]
        return result.images, steadied

    for number, result in enumerate(results, begin):
        for index, face in result.measured.items():
            parsed[index][number] = face.numpy()
        held.append((number, result))
        if len(held) > reach:
            yield next_one()
    while held:
        yield next_one()
