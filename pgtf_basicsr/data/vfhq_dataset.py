"""Clips of faces in the VFHQ layout, as degraded and ground-truth windows."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from itertools import repeat, tee
from typing import Any

import numpy as np
import torch
from basicsr.utils.registry import DATASET_REGISTRY
from torch.utils.data import Dataset

from ..errors import DataError, require
from ..faces.alignment import align_to_template, flip_landmarks
from ..faces.transforms import centre_square, compose, mirror_matrix, resize_matrix, transform_points, warp
from ..images import to_tensor
from .clip_files import ClipFiles
from .clip_finding import find_clips
from .clip_stream import ClipStream, with_size
from .clips import landmark_path
from .degradation import Degradation, DegradationParameters
from .logged_draws import Reported
from .placement import PlacementRanges
from .sampling import ClipTable, ClipWeights, WindowRanges, read_clip_weights
from .storage import Storage, open_storage
from .vfhq_options import VFHQOptions

__all__ = ['VFHQDataset']

# Takes the place of the epoch of training, so that validation draws are none of training's.
_VALIDATION_EPOCH = 2**31
# Windows that are drawn until the face stays in the image, and broken items in a row that are skipped.
_ATTEMPTS, _BROKEN_IN_A_ROW = 8, 100


@dataclass(frozen=True)
class Draw(Reported):
    """What was drawn for an item: its clip, frames, placement (2, 3) and degradation, the latter two if any."""

    clip: str
    frames: tuple[str, ...]
    mirrored: bool = False
    placement: tuple[tuple[float, ...], ...] | None = None
    degradation: DegradationParameters | None = None

    @classmethod
    def from_values(cls, values: dict[str, Any]) -> 'Draw':
        degradation = values['degradation']
        return super().from_values(
            {**values, 'degradation': DegradationParameters.from_values(degradation) if degradation else None}
        )


@DATASET_REGISTRY.register()
class VFHQDataset(Dataset):
    """Windows (training) or whole clips (validation, test) of faces, degraded by Eq. 8 or ready-made.

    In training an item is a window of T frames from a random place of a clip, ``index % number of clips`` unless
    ``clip_weights`` are given:

        lq         (T, 3, h, w) float32 RGB in [0, 1]; h = w = gt_size, or gt_size / scale without resize_back
        gt         (T, 3, H, W) the same frames undegraded, H = W = gt_size; (3, H, W) for gt_frames: centre
        landmarks  (T, 5, 2) float32, in pixels of gt; only with ``dataroot_landmarks``
        key        '<clip>/<first frame>'
        folder     '<clip>'
        lq_path, gt_path  file of the first frame; lq_path is gt_path where LQ is made on the fly
        drawn      a line that :meth:`reproduce` makes the same item of
        left_out   messages on broken items that this one replaces, a line each; only with ``broken_data: skip``

    In validation item ``index`` is the whole clip ``index`` with its L frames in place of T, and without gt
    and gt_path where there is no ``dataroot_gt``. :meth:`stream` gives the same frames one after another, in memory
    that does not grow with L.

    One transform places all frames of a window or clip: aligned, it takes the landmarks of the centre frame
    to the FFHQ template; unaligned (stage IV), a random shift, turn and zoom follow. Without landmarks the
    centre square of the frame stands for the aligned face. A training window is drawn again if the middle of the
    landmarks leaves the image in one of its frames.

    Training draws follow from (seed, epoch, index) and validation draws from (seed, index) alone, so that any
    number of workers gives the same items.

    Args:
        opt (dict): The options that `VFHQOptions` describes, and ``phase``, which BasicSR sets to 'train', 'val' or
            'test'.

    Attributes:
        options (VFHQOptions): The same, typed and with their defaults.

    Raises:
        UserError: A folder is missing, no clip is long enough, or an option has an impossible value.
        DataError: In validation: a clip has not the frames that it should have, or others in ``dataroot_lq`` than in
            ``dataroot_gt``. When items are read: a frame or its landmarks are missing or broken.
    """

    option_types = VFHQOptions

    def __init__(self, opt: dict[str, Any]) -> None:
        super().__init__()
        self.opt = opt
        self.options = options = self.option_types.of_dataset(self, opt)
        self._where = f'dataset {options.name}'
        self.is_train = options.phase == 'train'
        self.skips_broken = self.is_train and options.broken_data == 'skip'
        self.windows = WindowRanges(
            options.num_frame, options.interval, options.random_reverse, options.clip_ends == 'repeat'
        )
        self.placement = options.placement or (None if options.aligned else PlacementRanges())
        self.degradation = Degradation(options.degradation)

        self.gt_clips = self._open_storage('dataroot_gt')
        self.lq_clips = self._open_storage('dataroot_lq')
        self.has_gt = self.gt_clips is not None
        storages = [storage for storage in (self.gt_clips, self.lq_clips) if storage]
        self._source = storages[0]
        shortest = self.windows.shortest_clip if self.is_train else 1
        self.clips = ClipTable(find_clips(options, storages, shortest, self.skips_broken, self._where))
        self._weights = self._clip_weights()
        if not self.is_train:
            self._check_clips()
        # In shared memory, so that workers that already run see it change.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    # BasicSR's sampler announces epochs to datasets that say so, see `host.patches`.
    draws_by_epoch = True

    @property
    def gt_size(self) -> int:
        """Side of the ground truth in pixels."""
        return self.options.gt_size

    def set_epoch(self, epoch: int) -> None:
        """Choose the training draws, in running workers too."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.clips) * (self.options.windows_per_clip if self.is_train else 1)

    def __getitem__(self, index: int) -> dict[str, Any]:
        self._check_index(index)
        if not self.skips_broken:
            return self._item(index)
        skipped: list[str] = []
        for step in range(min(len(self), _BROKEN_IN_A_ROW)):
            try:
                return self._item((index + step) % len(self)) | {'left_out': '\n'.join(skipped)}
            except DataError as error:
                skipped.append(str(error))
        raise DataError(f'{self._where}: {len(skipped)} items in a row are broken, the last one: {skipped[-1]}')

    def stream(self, index: int) -> ClipStream:
        """Open the clip of a validation item frame by frame, with ground truth for each whatever ``gt_frames`` says.

        Returns:
            ClipStream: Its frames are those of ``lq`` and ``gt`` of the item to the last bit.

        Raises:
            UserError: The dataset is one of training.
            DataError: Here or while iterating: a frame or its landmarks are missing or broken.
        """
        require(not self.is_train, f'{self._where}: its phase is train; only val and test have clips to iterate over')
        self._check_index(index)
        draw, clip = self._draw_clip(index)
        return ClipStream(clip.name, len(draw.frames), self.has_gt, partial(self._iterate, draw, clip))

    def clip_lengths(self) -> dict[str, int]:
        """Return {clip name: frames of it that validation reads}."""
        return {clip.name: len(self._places(clip.num_frames)) for clip in self.clips}

    @property
    def data_info(self) -> dict[str, list[str]]:
        """Clip of each frame that validation reads, {'folder': names}: BasicSR's video models count frames by it."""
        return {'folder': [clip for clip, length in self.clip_lengths().items() for _ in range(length)]}

    def reproduce(self, report: str) -> dict[str, Any]:
        """Make the item of a line ``drawn`` again, whatever seed, epoch and ranges are now.

        Size of the frames, kernel size and codec are those of the options.

        Raises:
            UserError: The line is not a report, or is of a clip that is not here or was degraded in another way.
        """
        draw = Draw.from_report(report)
        require(
            bool(draw.degradation) != bool(self.lq_clips),
            f'{self._where}: {report!r} is of a dataset {"without" if self.lq_clips else "with"} ready-made '
            'degraded clips',
        )
        clip = next((clip for clip in self.clips if clip.name == draw.clip), None)
        require(clip is not None, f'{self._where}: has no clip {draw.clip}')
        return self._load(draw, self._open(clip))

    def _item(self, index):
        if not self.is_train:
            return self._load(*self._draw_clip(index))
        epoch = int(self._epoch)
        number = index % len(self.clips)
        if self._weights is not None:
            number = self._weights.clip_of(index, self.options.seed, epoch)
        clip = self._open(self.clips[number])
        return self._load(self._draw_window(clip, np.random.default_rng((self.options.seed, epoch, index))), clip)

    def _open(self, clip):
        return ClipFiles(
            clip,
            self._source.open(clip),
            self.lq_clips.open(clip) if self.gt_clips and self.lq_clips else None,
            landmark_path(self.options.dataroot_landmarks, clip.name) if self.options.dataroot_landmarks else None,
        )

    def _places(self, num_frames):
        """Return the places of the frames that validation reads."""
        return range(num_frames)[: self.options.max_frames]

    def _draw_clip(self, index):
        """Draw for a validation item; returns the draw and the clip."""
        clip = self._open(self.clips[index])
        rng = np.random.default_rng((self.options.seed, _VALIDATION_EPOCH, index))
        draw = Draw(clip.name, clip.frames_at(self._places(len(clip.names))), placement=self._draw_placement(rng))
        return self._with_degradation(draw, rng), clip

    def _draw_window(self, clip, rng):
        """Draw a training window, and again where the face does not stay in the image."""
        for _ in range(_ATTEMPTS):
            frames = clip.frames_at(self.windows.draw(len(clip.names), rng))
            mirrored = bool(self.options.use_hflip and rng.random() < 0.5)
            placement = self._draw_placement(rng)
            if self._face_stays(clip, frames, placement):
                break
        return self._with_degradation(Draw(clip.name, frames, mirrored, placement), rng)

    def _draw_placement(self, rng):
        return tuple(map(tuple, self.placement.draw(rng, self.gt_size).tolist())) if self.placement else None

    def _with_degradation(self, draw, rng):
        return draw if self.lq_clips else replace(draw, degradation=self.degradation.draw(rng, len(draw.frames)))

    def _face_stays(self, clip, frames, placement):
        """Say whether the middle of the landmarks is in the placed image in all frames."""
        landmarks = clip.landmarks(frames)
        if landmarks is None:
            return True
        matrix = self._aligned(clip, frames, landmarks)
        if placement:
            matrix = compose(np.array(placement), matrix)
        middles = transform_points(landmarks.mean(axis=1), matrix)
        return bool(((middles >= 0) & (middles < self.gt_size)).all())

    def _load(self, draw, clip):
        size, frames = with_size(clip.read(draw.frames))
        matrix, landmarks = self._place(draw, clip, size)
        first = draw.frames[0]

        item = {
            'key': f'{clip.name}/{first}',
            'folder': clip.name,
            'drawn': draw.report(),
            'lq_path': (clip.degraded or clip.stored).locate(first),
        }
        if landmarks is not None:
            item['landmarks'] = torch.from_numpy(landmarks.astype(np.float32))
        lq, gt = zip(*self._pairs(draw, matrix, size, frames, clip.read_degraded(draw.frames)))
        item['lq'] = to_tensor(np.stack(lq))
        if self.has_gt:
            item['gt'] = to_tensor(gt[len(gt) // 2] if self.options.gt_frames == 'centre' else np.stack(gt))
            item['gt_path'] = clip.stored.locate(first)
        return item

    def _iterate(self, draw: Draw, clip: ClipFiles) -> Iterator[tuple[torch.Tensor, torch.Tensor | None]]:
        """Yield the tensors (lq, gt) of one frame after another, see `ClipStream`."""
        size, frames = with_size(clip.iterate(draw.frames))
        matrix, _ = self._place(draw, clip, size)
        for lq, gt in self._pairs(draw, matrix, size, frames, clip.iterate_degraded(draw.frames)):
            yield to_tensor(lq), to_tensor(gt) if self.has_gt else None

    def _pairs(self, draw, matrix, size, frames, degraded):
        """Yield frames (lq, gt) as items have them but uint8; gt is None where there is none.

        ``size`` is (height, width) of ``frames``; ``degraded`` are those of ready-made clips beside ground truth.
        """
        gt = (warp(frame, matrix, self.gt_size) for frame in frames) if self.has_gt else repeat(None)
        if self.lq_clips:
            lq = (self._place_lq(frame, matrix, size) for frame in (degraded if self.has_gt else frames))
        else:
            gt, undegraded = tee(gt)
            lq = self.degradation.stream(undegraded, draw.degradation)
        return zip(lq, gt)

    def _place(self, draw, clip, size):
        """Return the transform from the draw's frames of ``size`` to gt, and landmarks (T, 5, 2) in gt or None."""
        landmarks = clip.landmarks(draw.frames)
        matrix = (
            centre_square(*size, self.gt_size) if landmarks is None else self._aligned(clip, draw.frames, landmarks)
        )
        if draw.placement:
            matrix = compose(np.array(draw.placement), matrix)
        if landmarks is not None:
            landmarks = transform_points(landmarks, matrix)
        if draw.mirrored:
            matrix = compose(mirror_matrix(self.gt_size), matrix)
            landmarks = None if landmarks is None else flip_landmarks(landmarks, self.gt_size)
        return matrix, landmarks

    def _aligned(self, clip, frames, landmarks):
        """Return the transform that aligns the face of the centre frame."""
        centre = len(frames) // 2
        try:
            return align_to_template(landmarks[centre], self.gt_size)
        except ValueError as error:
            raise DataError(f'{clip.landmark_file}, frame {frames[centre]}: {error}') from error

    def _place_lq(self, frame, matrix, size):
        """Place a degraded frame of any size as ``matrix`` places its original of ``size``."""
        height, width = size
        lq_size = self.degradation.output_size(self.gt_size)
        enlarge = resize_matrix(width / frame.shape[1], height / frame.shape[0])
        shrink = resize_matrix(lq_size / self.gt_size, lq_size / self.gt_size)
        return warp(frame, compose(shrink, compose(matrix, enlarge)), lq_size)

    def _check_index(self, index):
        if not 0 <= index < len(self):
            raise IndexError(f'{self._where} has {len(self)} items, not one of index {index}')

    def _check_clips(self):
        """Make sure that all frames of validation are there before the first one is read."""
        listed = bool(self.options.meta_info_file)
        for clip in self.clips:
            try:
                files = self._open(clip)
                places = self._places(len(files.names))
                files.check_frames(files.frames_at(places), whole=not listed and len(places) == len(files.names))
            except DataError as error:
                raise DataError(f'{self._where}: {error}') from error

    def _clip_weights(self):
        choice = self.options.clip_weights
        if choice is None or not self.is_train:
            return None
        weights = self.clips.num_frames if choice == 'frames' else read_clip_weights(choice, self.clips)
        return ClipWeights(weights, len(self))

    def _open_storage(self, option: str) -> Storage | None:
        root, backend = getattr(self.options, option), self.options.io_backend
        if not root:
            return None
        arguments = backend.model_dump() if backend else None
        return open_storage(root, option, arguments, self.options.filename_ext)
