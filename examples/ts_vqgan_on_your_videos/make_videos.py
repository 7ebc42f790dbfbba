"""Write a few videos to try the training with: a camera moves over photographs without people.

The photographs come with scikit-image and are in the public domain: a cat, a cup of coffee, a rocket.
"""

from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import skimage

from pgtf_basicsr.video import VideoWriter

PHOTOS = Path(skimage.__file__).parent / 'data'
WIDTH, HEIGHT, LENGTH = 128, 96, 24
CLIPS = {'train': 4, 'val': 1}  # of each photograph


def camera_path(photo, rng):
    """Frames of a camera that moves from one place to another, uint8 (H, W, 3)."""
    margin = np.array([WIDTH, HEIGHT]) / 2
    start, end = rng.uniform(margin, np.array(photo.shape[1::-1]) - margin, (2, 2))
    end = start + 0.2 * (end - start)
    return [cv2.getRectSubPix(photo, (WIDTH, HEIGHT), place) for place in np.linspace(start, end, LENGTH)]


def main():
    rng = np.random.default_rng(0)
    for split, count in CLIPS.items():
        folder = Path('videos', split)
        folder.mkdir(parents=True, exist_ok=True)
        for name in ('chelsea.png', 'coffee.png', 'rocket.jpg'):
            photo = cv2.cvtColor(cv2.imread(str(PHOTOS / name)), cv2.COLOR_BGR2RGB)
            photo = cv2.resize(photo, (2 * WIDTH, 2 * HEIGHT), interpolation=cv2.INTER_AREA)
            for number in range(count):
                path = folder / f'{Path(name).stem}_{number}.mp4'
                with VideoWriter(path, Fraction(25), WIDTH, HEIGHT, crf=8) as writer:
                    for frame in camera_path(photo, rng):
                        writer.write(frame)


if __name__ == '__main__':
    main()
