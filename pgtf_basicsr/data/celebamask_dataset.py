"""Faces with their parts labelled, in the layout of CelebAMask-HQ (Lee et al., MaskGAN, CVPR 2020).

    CelebA-HQ-img/<n>.jpg                                             images, 1024 x 1024
    CelebAMask-HQ-mask-anno/<n // 2000>/<n with five digits>_<part>.png   white where the part is, 512 x 512

A part that is not in the image has no file.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from basicsr.utils.registry import DATASET_REGISTRY
from torch.utils.data import Dataset

from ..errors import UserError, require
from ..faces.transforms import centre_square, compose, mirror_matrix, resize_matrix, warp
from ..images import read_image, to_tensor
from .celebamask_options import CelebAMaskHQOptions
from .degradation import Degradation
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
# Takes the place of the epoch of training, so that validation draws are none of training's.
_VALIDATION_EPOCH = 2**31
_OTHER_SIDE = {'l_': 'r_', 'r_': 'l_'}
# The label that each one becomes in a mirrored image; the lips' names begin with a letter and no side.
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
    """Images of faces and the label of each pixel, to train face parsing on.

    An item is an image with its parts merged into one mask:

        image  (3, size, size) float32 RGB in [0, 1], degraded by Eq. 8 where ``degradation`` is given
        mask   (size, size) int64, 0 for background, else 1 + place of the part in `PARTS`
        key    '<n>'

    Both are placed by one transform: a resize and, with ``placement``, a random shift, turn and zoom. What comes in
    from outside of the image is background.

    Training draws follow from (seed, epoch, index) and validation draws, of placement and degradation, from
    (seed, index) alone, so that any number of workers gives the same items.

    Args:
        opt (dict): The options that `CelebAMaskHQOptions` describes, and ``phase``, which BasicSR sets to 'train',
            'val' or 'test'.

    Attributes:
        options (CelebAMaskHQOptions): The same, typed and with their defaults.

    Raises:
        UserError: The folder or an image is missing, or an option has an impossible value. When items are read: an
            image or a mask is broken, or an image has no masks.
    """

    option_types = CelebAMaskHQOptions

    def __init__(self, opt: dict[str, Any]) -> None:
        super().__init__()
        self.opt = opt
        self.options = self.option_types.of_dataset(self, opt)
        self._where = f'dataset {self.options.name}'
        self.is_train = self.options.phase == 'train'
        self.degradation = Degradation(self.options.degradation) if self.options.degradation else None
        self.root = Path(self.options.dataroot)
        self.numbers = self._find_images()
        # In shared memory, so that workers that already run see it change.
        self._epoch = torch.zeros((), dtype=torch.int64).share_memory_()

    # BasicSR's sampler announces epochs to datasets that say so, see `host.patches`.
    draws_by_epoch = True

    def set_epoch(self, epoch: int) -> None:
        """Choose the training draws, in running workers too."""
        self._epoch.fill_(epoch)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: int) -> dict[str, Any]:
        if not 0 <= index < len(self):
            raise IndexError(f'{self._where} has {len(self)} items, not one of index {index}')
        number = self.numbers[index]
        epoch = int(self._epoch) if self.is_train else _VALIDATION_EPOCH
        rng = np.random.default_rng((self.options.seed, epoch, index))
        image = read_image(self.root / IMAGES / f'{number}.jpg')
        mask = merge_parts(self.root, number)
        image, mask = self._place(image, mask, rng)
        if self.is_train and self.options.color_jitter:
            image = jitter_colors(image, self.options.color_jitter, rng)
        if self.degradation:
            image = self.degradation(image[np.newaxis], rng)[0]
        return {'image': to_tensor(image), 'mask': torch.from_numpy(mask.astype(np.int64)), 'key': str(number)}

    def _place(self, image, mask, rng):
        """Place image and mask by one transform, both at the size of the options."""
        size, placement = self.options.size, self.options.placement
        height, width = image.shape[:2]
        matrix = centre_square(height, width, size)
        if placement:
            matrix = compose(placement.draw(rng, size), matrix)
        mirrored = self.is_train and self.options.use_hflip and rng.random() < 0.5
        if mirrored:
            matrix = compose(mirror_matrix(size), matrix)
            mask = _MIRRORED[mask]
        of_mask = compose(matrix, resize_matrix(width / mask.shape[1], height / mask.shape[0]))
        # Labels are names and not numbers: none may come up between two others.
        mask = cv2.warpAffine(mask, of_mask, (size, size), flags=cv2.INTER_NEAREST, borderValue=0)
        return warp(image, matrix, size), mask

    def _find_images(self):
        folder = self.root / IMAGES
        require(folder.is_dir(), f'{self._where}: dataroot: no folder {folder}; it should hold images <n>.jpg')
        found = {int(path.stem) for path in folder.glob('*.jpg') if path.stem.isdecimal()}
        listed = self._listed()
        missing = [number for number in listed or () if number not in found]
        require(
            not missing,
            f'{self._where}: {len(missing)} of {len(listed or ())} images are missing, '
            f'the first is {folder / f"{missing[0] if missing else 0}.jpg"}',
        )
        require(bool(found), f'{self._where}: no image <n>.jpg in {folder}')
        return sorted(found) if listed is None else listed

    def _listed(self):
        """Return the numbers of the images that the options name; None where they name none."""
        if self.options.meta_info_file:
            numbers = read_text(self.options.meta_info_file, 'meta_info_file').split()
            for number in numbers:
                require(
                    number.isdecimal(), f'{self.options.meta_info_file}: {number!r} should be the number of an image'
                )
            return [int(number) for number in numbers]
        if self.options.images is None:
            return None
        first, last = self.options.images
        return list(range(first, last + 1))


def mask_path(root: str | Path, number: int, part: str) -> Path:
    """Return the file of a part's mask."""
    return Path(root) / MASKS / str(number // _MASKS_PER_FOLDER) / f'{number:05d}_{part}.png'


def merge_parts(root: str | Path, number: int) -> np.ndarray:
    """Merge the masks of an image's parts into one (H, W) uint8, labelled in the order of `PARTS`.

    Later parts cover earlier ones.

    Raises:
        UserError: The image has no masks, or one is broken or of another size than the others.
    """
    merged: np.ndarray | None = None
    for label, part in enumerate(PARTS, 1):
        path = mask_path(root, number, part)
        if not path.exists():
            continue
        mask = read_image(path)[..., 0]
        if merged is None:
            merged = np.zeros(mask.shape, np.uint8)
        require(
            mask.shape == merged.shape,
            f'{path}: is {mask.shape[1]} x {mask.shape[0]} pixels, but other masks '
            f'of the image are {merged.shape[1]} x {merged.shape[0]}',
        )
        merged[mask > 127] = label
    if merged is None:
        raise UserError(f'image {number} has no masks; they should be {mask_path(root, number, "<part>")}')
    return merged


def jitter_colors(image: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Change brightness, contrast and saturation of (H, W, 3) uint8 RGB by factors in 1 ± ``strength``."""
    brightness, contrast, saturation = rng.uniform(1 - strength, 1 + strength, 3).astype(np.float32)
    image = image.astype(np.float32) * brightness
    mean = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).mean()
    image = mean + contrast * (image - mean)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., np.newaxis]
    image = grey + saturation * (image - grey)
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)
