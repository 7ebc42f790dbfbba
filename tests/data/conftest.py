import cv2
import numpy as np
import pytest


@pytest.fixture
def labelled_image():
    """A function that writes an image of 64 pixels with one labelled part, in the layout of CelebAMask-HQ."""

    def write(root):
        for name in ('CelebA-HQ-img', 'CelebAMask-HQ-mask-anno/0'):
            (root / name).mkdir(parents=True)
        cv2.imwrite(str(root / 'CelebA-HQ-img/0.jpg'), np.full((64, 64, 3), 128, np.uint8))
        cv2.imwrite(str(root / 'CelebAMask-HQ-mask-anno/0/00000_skin.png'), np.full((32, 32, 3), 255, np.uint8))

    return write
