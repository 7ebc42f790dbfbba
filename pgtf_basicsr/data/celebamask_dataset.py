"""Faces with their parts labelled, in the layout of CelebAMask-HQ (Lee et al., MaskGAN, CVPR 2020).

    CelebA-HQ-img/<n>.jpg                                             pictures, 1024 x 1024
    CelebAMask-HQ-mask-anno/<n // 2000>/<n with five digits>_<part>.png   white where the part is, 512 x 512

A part that is not in the picture has no file.
"""

from pathlib import Path

import cv2
import numpy as np
import torch
from basicsr.utils.registry import DATASET_REGISTRY
from torch.utils.data import Dataset

from ..errors import UserError
from ..faces.alignment import centre_square, compose, mirror_matrix, resize_matrix, warp
from ..images import to_tensor
from .checks import from_options, require, require_choice, require_number
from .clips import read_frame
from .degradation import Degradation, ranges_of_data_set
from .placement import PlacementRanges
from .remote import read_text

__all__ = ['IMAGES', 'MASKS', 'NUM_CLASSES', 'PARTS', 'CelebAMaskHQDataset', 'mask_path', 'merge_parts']

IMAGES, MASKS = 'CelebA-HQ-img', 'CelebAMask-HQ-mask-anno'
# In the order of their labels, from 1 on, in which face parsing networks know them; 0 is background.
PARTS = (
    'skin',
    'l_brow',
    'r_brow',
    'l_eye',
    'r_eye',
    'eye_g',
    'l_ear',
    'r_ear',
    'ear_r',
    'nose',
    'mouth',
    'u_lip',
    'l_lip',
    'neck',
    'neck_l',
    'cloth',
    'hair',
    'hat',
)
NUM_CLASSES = len(PARTS) + 1

_MASKS_PER_FOLDER = 2000
# Stands where training has its epoch, so that validation draws are none of training's.
_VALIDATION_EPOCH = 2**31
_OTHER_SIDE = {'l_': 'r_', 'r_': 'l_'}
# What each label is called in a mirrored picture; the lips' names begin with a letter and no side.
_MIRRORED = np.array(
    [
        0,
        *(
            1 + PARTS.index(other if other in PARTS else part)
            for part, other in ((part, _OTHER_SIDE.get(part[:2], '') + part[2:]) for part in PARTS)
        ),
    ],
    dtype=np.uint8,
)


@DATASET_REGISTRY.register()
class CelebAMaskHQDataset(Dataset):
    """Pictures of faces and the label of each pixel, to train face parsing on.

    An item is a picture with its parts merged into one mask:

        image  (3, size, size) float32 RGB in [0, 1], degraded by Eq. 8 where ``degradation`` is given
        mask   (size, size) int64, 0 for background, else 1 + place of the part in `PARTS`
        key    '<n>'

    Both are placed by one transform: a resize and, with ``placement``, a random shift, turn and zoom.  What comes in
    from outside of the picture is background.

    Training draws follow from (seed, epoch, index) and validation draws, of placement and degradation, from
    (seed, index) alone, so that any number of workers gives the same items.

    Args:
        opt (dict): The options that `CelebAMaskHQOptions` describes, with their defaults, and ``phase``, which
            BasicSR sets to 'train', 'val' or 'test'.

    Raises:
        UserError: the folder or a picture is missing, or an option has an impossible value; when items are read: a
            picture or a mask is broken, or a picture has no masks.
    """

    option_types = 'pgtf_basicsr.data.celebamask_options:CelebAMaskHQOptions'

    def __init__(self, opt):
        super().__init__()
        self.opt = opt
        self._where = f'dataset {opt.get("name", "CelebAMaskHQDataset")}'
        phase = opt.get('phase', 'train')
        require_choice(self._where, 'phase', phase, ('train', 'val', 'test'))
        self.is_train = phase == 'train'
        self.size = opt.get('size', 512)
        self.seed = opt.get('seed', 0)
        for name, value, least in (('size', self.size, 1), ('seed', self.seed, 0)):
            require(
                isinstance(value, int) and not isinstance(value, bool) and value >= least,
                self._where,
                f'{name} is {value!r}; it must be a whole number from {least} on',
            )
        self.use_hflip = opt.get('use_hflip', False)
        require_choice(self._where, 'use_hflip', self.use_hflip, (True, False))
        self.color_jitter = opt.get('color_jitter', 0)
        require_number(self._where, 'color_jitter', self.color_jitter, 0, 1)
        require(
            opt.get('dataset_enlarge_ratio', 1) == 1,
            self._where,
            'dataset_enlarge_ratio would repeat the same draws within an epoch',
        )
        self.placement = self.degradation = None
        if opt.get('placement'):
            self.placement = from_options(PlacementRanges, opt['placement'], f'{self._where}, placement')
        if opt.get('degradation'):
            self.degradation = Degradation(self._degradation_ranges())
        self.root = Path(opt.get('dataroot') or '')
        self.numbers = self._find_images()
        # In shared memory, so that workers that already run see it change.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    # BasicSR's sampler announces epochs to datasets that say so, see `host.table`.
    draws_by_epoch = True

    def set_epoch(self, epoch):
        """Choose the training draws, in running workers too."""
        self._epoch.fill_(epoch)

    def __len__(self):
        return len(self.numbers)

    def __getitem__(self, index):
        if not 0 <= index < len(self):
            raise IndexError(f'{self._where} has {len(self)} items, not one of index {index}')
        number = self.numbers[index]
        epoch = int(self._epoch) if self.is_train else _VALIDATION_EPOCH
        rng = np.random.default_rng((self.seed, epoch, index))
        image = read_frame(self.root / IMAGES / f'{number}.jpg')
        mask = merge_parts(self.root, number)
        image, mask = self._place(image, mask, rng)
        if self.is_train and self.color_jitter:
            image = jitter_colors(image, self.color_jitter, rng)
        if self.degradation:
            image = self.degradation(image[np.newaxis], rng)[0]
        return {'image': to_tensor(image), 'mask': torch.from_numpy(mask.astype(np.int64)), 'key': str(number)}

    def _place(self, image, mask, rng):
        """Picture and mask, both of self.size pixels, where one transform takes them."""
        height, width = image.shape[:2]
        matrix = centre_square(height, width, self.size)
        if self.placement:
            matrix = compose(self.placement.draw(rng, self.size), matrix)
        mirrored = self.is_train and self.use_hflip and rng.random() < 0.5
        if mirrored:
            matrix = compose(mirror_matrix(self.size), matrix)
            mask = _MIRRORED[mask]
        of_mask = compose(matrix, resize_matrix(width / mask.shape[1], height / mask.shape[0]))
        # Labels are names and not numbers: none may come up between two others.
        mask = cv2.warpAffine(mask, of_mask, (self.size, self.size), flags=cv2.INTER_NEAREST, borderValue=0)
        return warp(image, matrix, self.size), mask

    def _degradation_ranges(self):
        ranges = ranges_of_data_set(self.opt['degradation'], self._where)
        require(
            ranges.resize_back,
            self._where,
            'degradation: resize_back must be true: pictures are as large as their masks',
        )
        return ranges

    def _find_images(self):
        folder = self.root / IMAGES
        require(folder.is_dir(), self._where, f'dataroot: no folder {folder}; it should hold pictures <n>.jpg')
        found = {int(path.stem) for path in folder.glob('*.jpg') if path.stem.isdecimal()}
        wanted = self._listed()
        missing = [number for number in wanted or () if number not in found]
        require(
            not missing,
            self._where,
            f'{len(missing)} of {len(wanted or ())} pictures are missing, '
            f'the first is {folder / f"{missing[0] if missing else 0}.jpg"}',
        )
        require(found, self._where, f'no picture <n>.jpg in {folder}')
        return sorted(found) if wanted is None else wanted

    def _listed(self):
        """Numbers of the pictures that the options name; None where they name none."""
        listed, path = self.opt.get('images'), self.opt.get('meta_info_file')
        require(not (listed and path), self._where, 'images and meta_info_file both say which pictures to take')
        if path:
            numbers = read_text(path, 'meta_info_file').split()
            for number in numbers:
                require(number.isdecimal(), str(path), f'{number!r} should be the number of a picture')
            return [int(number) for number in numbers]
        if listed is None:
            return None
        require(
            isinstance(listed, (list, tuple))
            and len(listed) == 2
            and all(isinstance(n, int) for n in listed)
            and 0 <= listed[0] <= listed[1],
            self._where,
            f'images is {listed!r}; it must be [first, last], two whole numbers in order',
        )
        return list(range(listed[0], listed[1] + 1))


def mask_path(root, number, part):
    """The file of a part's mask."""
    return Path(root) / MASKS / str(number // _MASKS_PER_FOLDER) / f'{number:05d}_{part}.png'


def merge_parts(root, number):
    """One mask (H, W) uint8 of a picture's parts, labelled in the order of `PARTS`; later parts cover earlier ones.

    Raises:
        UserError: the picture has no masks, or one is broken or of another size than the others.
    """
    merged = None
    for label, part in enumerate(PARTS, 1):
        path = mask_path(root, number, part)
        if not path.exists():
            continue
        mask = read_frame(path)[..., 0]
        if merged is None:
            merged = np.zeros(mask.shape, np.uint8)
        require(
            mask.shape == merged.shape,
            str(path),
            f'is {mask.shape[1]} x {mask.shape[0]} pixels, but other masks '
            f'of the picture are {merged.shape[1]} x {merged.shape[0]}',
        )
        merged[mask > 127] = label
    if merged is None:
        raise UserError(f'picture {number} has no masks; they should be {mask_path(root, number, "<part>")}')
    return merged


def jitter_colors(image, strength, rng):
    """Change brightness, contrast and saturation of (H, W, 3) uint8 RGB by factors in 1 ± ``strength``."""
    brightness, contrast, saturation = rng.uniform(1 - strength, 1 + strength, 3).astype(np.float32)
    image = image.astype(np.float32) * brightness
    mean = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).mean()
    image = mean + contrast * (image - mean)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., np.newaxis]
    image = grey + saturation * (image - grey)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
