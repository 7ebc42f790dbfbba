"""Clips of faces in the VFHQ layout, as degraded and ground-truth windows."""
from pathlib import Path

import numpy as np
import torch
from basicsr.utils import get_root_logger
from basicsr.utils.registry import DATASET_REGISTRY
from torch.utils.data import Dataset

from ..errors import UserError
from .alignment import (PlacementRanges, align_to_template, centre_square, compose, flip_landmarks, mirror_matrix,
                        resize_matrix, transform_points, warp)
from .checks import from_options, require, require_choice
from .clips import FrameFolders, read_frame, read_landmarks, read_meta_info, resolve_inside
from .degradation import Degradation, DegradationRanges

# Stands where training has its epoch, so that validation draws are none of training's.
_VALIDATION_EPOCH = 2**31


@DATASET_REGISTRY.register()
class VFHQDataset(Dataset):
    """Windows (training) or whole clips (validation, test) of faces, degraded by Eq. 8 or ready-made.

    In training an item is a window of T frames from a random place of clip ``index % number of clips``:

        lq         (T, 3, h, w) float32 RGB in [0, 1]; h = w = gt_size, or gt_size / scale without resize_back
        gt         (T, 3, H, W) the same frames undegraded, H = W = gt_size; (3, H, W) for gt_frames: centre
        landmarks  (T, 5, 2) float32, in pixels of gt; only with ``dataroot_landmarks``
        key        '<clip>/<first frame>'
        folder     '<clip>'
        lq_path, gt_path  file of the first frame; lq_path is gt_path where LQ is made on the fly

    In validation item ``index`` is the whole clip ``index`` with its L frames in place of T, and without gt
    and gt_path where there is no ``dataroot_gt``.

    One transform places all frames of a window or clip: aligned, it takes the landmarks of the centre frame
    to the FFHQ template; unaligned (stage IV), a random shift, turn and zoom follow.  Without landmarks the
    centre square of the frame stands for the aligned face.

    Training draws follow from (seed, epoch, index) and validation draws from (seed, index) alone, so that any
    number of workers gives the same items.

    Args:
        opt (dict): The options that `VFHQOptions` describes, with their defaults, and ``phase``, which BasicSR
            sets to 'train', 'val' or 'test'.

    Raises:
        UserError: a folder is missing, no clip is long enough, or an option has an impossible value; when
            items are read: a frame or its landmarks are missing or broken.
    """

    option_types = 'pgtf_basicsr.data.vfhq_options:VFHQOptions'

    def __init__(self, opt):
        super().__init__()
        self.opt = opt
        self._where = f'dataset {opt.get("name", "VFHQDataset")}'
        self.is_train = self._choice('phase', 'train', ('train', 'val', 'test')) == 'train'
        self.gt_size = self._count('gt_size', 512)
        self.num_frame = self._count('num_frame', 3)
        self.interval = self._count('interval', 1)
        self.windows_per_clip = self._count('windows_per_clip', 1)
        self.max_frames = self._count('max_frames', None)
        self.centre_only = self._choice('gt_frames', 'all', ('all', 'centre')) == 'centre'
        self.use_hflip = self._choice('use_hflip', False, (True, False))
        self.seed = opt.get('seed', 0)
        require(isinstance(self.seed, int) and self.seed >= 0, self._where,
                f'seed is {self.seed!r}; it must be a whole number from 0 on')
        require(opt.get('dataset_enlarge_ratio', 1) == 1, self._where,
                'dataset_enlarge_ratio would repeat the same draws within an epoch; use windows_per_clip')
        require((opt.get('io_backend') or {}).get('type', 'disk') == 'disk', self._where,
                'io_backend: only type disk is supported')
        self.placement = None
        if opt.get('placement') or not self._choice('aligned', True, (True, False)):
            self.placement = from_options(
                PlacementRanges, opt.get('placement') or {}, f'{self._where}, placement')
        self.degradation = Degradation(
            from_options(DegradationRanges, opt.get('degradation') or {}, f'{self._where}, degradation'))

        self.gt_folders = self._folders('dataroot_gt')
        self.lq_folders = self._folders('dataroot_lq')
        require(self.gt_folders or (self.lq_folders and not self.is_train), self._where,
                'dataroot_gt is not given')
        self.landmark_root = opt.get('dataroot_landmarks')
        self.clips = self._find_clips()
        # In shared memory, so that workers that already run see it change.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch):
        """Choose the training draws, in running workers too."""
        self._epoch.fill_(epoch)

    def __len__(self):
        return len(self.clips) * (self.windows_per_clip if self.is_train else 1)

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(f'{self._where} has {len(self)} items, not one of index {index}')
        clip = self.clips[index % len(self.clips)]
        if not self.is_train:
            rng = np.random.default_rng((self.seed, _VALIDATION_EPOCH, index))
            return self._load(clip, slice(self.max_frames), False, rng)
        rng = np.random.default_rng((self.seed, int(self._epoch), index))
        first = int(rng.integers(clip.num_frames - self._window_span + 1))
        mirrored = self.use_hflip and rng.random() < 0.5
        return self._load(clip, slice(first, first + self._window_span, self.interval), mirrored, rng)

    @property
    def _window_span(self):
        return (self.num_frame - 1) * self.interval + 1

    def _load(self, clip, window, mirrored, rng):
        source = self.gt_folders or self.lq_folders
        paths = source.frame_paths(clip.name)
        if len(paths) < clip.num_frames:
            raise UserError(f'{source.clip_folder(clip.name)} has {len(paths)} frames; '
                            f'{clip.num_frames} are listed')
        names = list(paths)[window]
        frames = [read_frame(paths[name]) for name in names]
        centre = len(names) // 2
        height, width = frames[centre].shape[:2]
        matrix, landmarks = self._place(clip, names, height, width, mirrored, rng)

        item = {'key': f'{clip.name}/{names[0]}', 'folder': clip.name, 'lq_path': paths[names[0]]}
        if landmarks is not None:
            item['landmarks'] = torch.from_numpy(landmarks.astype(np.float32))
        if self.gt_folders:
            gt = np.stack([warp(frame, matrix, self.gt_size) for frame in frames])
            item['gt'] = _to_tensor(gt[centre] if self.centre_only else gt)
            item['gt_path'] = item['lq_path']
        if self.lq_folders:
            lq_paths = self._lq_paths(clip, names)
            item['lq_path'] = lq_paths[0]
            lq = np.stack([self._place_lq(read_frame(path), matrix, height, width) for path in lq_paths])
        else:
            lq = self.degradation(gt, rng)
        item['lq'] = _to_tensor(lq)
        return item

    def _place(self, clip, names, height, width, mirrored, rng):
        """Transform from the window's height x width frames to gt, and landmarks (T, 5, 2) in gt or None."""
        landmarks = self._read_landmarks(clip, names) if self.landmark_root else None
        if landmarks is None:
            matrix = centre_square(height, width, self.gt_size)
        else:
            centre = len(names) // 2
            matrix = self._align(landmarks[centre], clip, names[centre])
        if self.placement:
            matrix = compose(self.placement.draw(rng, self.gt_size), matrix)
        if landmarks is not None:
            landmarks = transform_points(landmarks, matrix)
        if mirrored:
            matrix = compose(mirror_matrix(self.gt_size), matrix)
            landmarks = None if landmarks is None else flip_landmarks(landmarks, self.gt_size)
        return matrix, landmarks

    def _lq_paths(self, clip, names):
        paths = self.lq_folders.frame_paths(clip.name)
        for name in names:
            require(name in paths, self._where, f'dataroot_lq has no frame {name} of clip {clip.name}')
        return [paths[name] for name in names]

    def _place_lq(self, frame, matrix, height, width):
        """Place a degraded frame of any size as ``matrix`` places its height x width original."""
        lq_size = self.degradation.output_size(self.gt_size)
        enlarge = resize_matrix(width / frame.shape[1], height / frame.shape[0])
        shrink = resize_matrix(lq_size / self.gt_size, lq_size / self.gt_size)
        return warp(frame, compose(shrink, compose(matrix, enlarge)), lq_size)

    def _read_landmarks(self, clip, names):
        """Landmarks (T, 5, 2) of the named frames."""
        path = self._landmark_file(clip)
        landmarks = read_landmarks(path)
        for name in names:
            require(name in landmarks, self._where, f'{path} has no line for frame {name}')
        return np.stack([landmarks[name] for name in names])

    def _align(self, landmarks, clip, name):
        try:
            return align_to_template(landmarks, self.gt_size)
        except ValueError as error:
            raise UserError(f'{self._landmark_file(clip)}, frame {name}: {error}') from error

    def _landmark_file(self, clip):
        return resolve_inside(Path(self.landmark_root), f'{clip.name}.txt', 'dataroot_landmarks')

    def _find_clips(self):
        source = self.gt_folders or self.lq_folders
        meta_info_file = self.opt.get('meta_info_file')
        clips = read_meta_info(meta_info_file) if meta_info_file else source.list_clips()
        needed = self._window_span if self.is_train else 1
        short = [clip for clip in clips if clip.num_frames < needed]
        clips = [clip for clip in clips if clip.num_frames >= needed]
        require(clips, self._where, f'no clip of {needed} or more frames in {source.root}; '
                'it should hold one folder of frames per clip, <clip>/00000000.png')
        if short:
            get_root_logger().warning(f'{self._where}: left out for having fewer than {needed} frames: '
                                      f'{", ".join(clip.name for clip in short)}')
        for folders in filter(None, (self.gt_folders, self.lq_folders)):
            self._require_files(folders.option, [folders.clip_folder(clip.name) for clip in clips])
        if self.landmark_root:
            self._require_files('dataroot_landmarks', [self._landmark_file(clip) for clip in clips])
        return clips

    def _require_files(self, option, paths):
        missing = [path for path in paths if not path.exists()]
        require(not missing, self._where, f'{option}: {len(missing)} of {len(paths)} clips are missing, '
                f'the first is {missing[0] if missing else None}')

    def _folders(self, option):
        return FrameFolders(self.opt[option], option) if self.opt.get(option) else None

    def _choice(self, name, default, choices):
        value = self.opt.get(name, default)
        require_choice(self._where, name, value, choices)
        return value

    def _count(self, name, default):
        value = self.opt.get(name, default)
        require(value is default or (isinstance(value, int) and not isinstance(value, bool) and value > 0),
                self._where, f'{name} is {value!r}; it must be a whole number from 1 on')
        return value


def _to_tensor(frames):
    """(..., H, W, 3) uint8 to (..., 3, H, W) float32 in [0, 1].

    NumPy does the arithmetic: torch's thread pool in a loader thread slows training down.
    """
    channels_first = np.ascontiguousarray(np.moveaxis(frames, -1, -3), dtype=np.float32)
    channels_first /= 255
    return torch.from_numpy(channels_first)
