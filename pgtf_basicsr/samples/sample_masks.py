"""A small dataset in the layout of CelebAMask-HQ, without a download: for the quickstart and for tests.

The parts of the two portraits are outlined by hand. Each image shows a portrait at another place, with masks that are
its outlines, filled. The folder holds

    ROOT/train/CelebA-HQ-img/<n>.jpg, ROOT/train/CelebAMask-HQ-mask-anno/0/<n>_<part>.png
    ROOT/test/...               held-out images: other places
    ROOT/sample_data.json       what was asked for
"""

from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..data.celebamask_dataset import IMAGES, mask_path
from ..faces.transforms import resize_matrix, transform_points
from ..images import write_image
from .outlines import OUTLINES
from .portraits import FacePath, Portrait, portraits
from .sample_folder import replacing_data, require_even, require_positive

__all__ = ['MaskSummary', 'draw_masks', 'write_sample_masks']

# How far portraits lie from where `FacePath` rests. Images of CelebA-HQ differ about as much.
_PLACES = {'shift': 0.08, 'rotation': 10, 'zoom': 1.15, 'deformation': 0.02}
_FINER = 8


@dataclass(frozen=True)
class MaskSummary:
    """What was written.

    Attributes:
        root (Path): The folder.
        train_images (int): Images to train on.
        test_images (int): Images held out.
    """

    root: Path
    train_images: int
    test_images: int


def write_sample_masks(
    root: str | Path, images: int = 48, test_images: int = 12, image_size: int = 192, seed: int = 0
) -> MaskSummary:
    """Write the dataset of labelled portraits.

    Args:
        root (str | Path): Folder to make. One that holds sample data is replaced.
        images (int): Images to train on, the portraits in turn.
        test_images (int): Images held out.
        image_size (int): Side of the images in pixels, even. Masks have half of it, as in CelebAMask-HQ.
        seed (int): Other seeds give other places.

    Raises:
        UserError: ``root`` holds something else, or a number is too small.
    """
    require_positive(images=images, test_images=test_images, image_size=image_size)
    require_even(image_size=image_size)
    faces = portraits()
    with replacing_data(root, source='labelled portraits', size=image_size, seed=seed) as partial:
        for split_index, (split, count) in enumerate((('train', images), ('test', test_images))):
            for number in range(count):
                face = faces[number % len(faces)]
                rng = np.random.default_rng((seed, split_index, number))
                path = FacePath(face.landmarks, image_size, rng, **_PLACES)
                _write_image(partial / split, number, face, path, rng.random())
    return MaskSummary(Path(root), images, test_images)


def draw_masks(face_name: str, path: FacePath, time: float, size: int) -> dict[str, np.ndarray]:
    """Draw the masks of a portrait's parts in the frame at ``time`` of its path.

    Args:
        face_name (str): Name of the portrait.
        path (FacePath): Its path.
        time (float): In [0, 1].
        size (int): Side of the masks in pixels.

    Returns:
        dict[str, ndarray]: Masks (size, size) bool by part.
    """
    fine = size * _FINER
    to_mask = resize_matrix(fine / path.size, fine / path.size)
    masks = {}
    for part, polygons in OUTLINES[face_name].items():
        canvas = np.zeros((fine, fine), np.uint8)
        for polygon in polygons:
            points = transform_points(path.points_at(np.array(polygon, dtype=np.float64), time), to_mask)
            cv2.fillPoly(canvas, [np.rint(points).astype(np.int32)], 255)
        masks[part] = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA) > 127
    return masks


def _write_image(root: Path, number: int, face: Portrait, path: FacePath, time: float) -> None:
    (root / IMAGES).mkdir(parents=True, exist_ok=True)
    write_image(root / IMAGES / f'{number}.jpg', path.render(face.photo, time))
    for part, mask in draw_masks(face.name, path, time, path.size // 2).items():
        if mask.any():
            file = mask_path(root, number, part)
            file.parent.mkdir(parents=True, exist_ok=True)
            write_image(file, np.repeat(mask[..., np.newaxis], 3, axis=2).astype(np.uint8) * 255)
