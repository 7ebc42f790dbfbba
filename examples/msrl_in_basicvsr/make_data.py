"""Write a few clips in the layout of REDS to try the training with: a camera moves over two photographs.

The photographs come with scikit-image and are in the public domain: a cat and a cup of coffee.
"""

from pathlib import Path

import cv2
import numpy as np
import skimage

# Folders of the ground truth, and of the same by 4 smaller.
TRAIN = 'datasets/REDS/train_sharp', 'datasets/REDS/train_sharp_bicubic/X4'
VAL = 'datasets/REDS4/GT', 'datasets/REDS4/sharp_bicubic'
# {clip: (photograph, frames, folders)}. Clips of REDS have 100 frames, which BasicSR's dataset counts on.
CLIPS = {'001': ('chelsea.png', 100, TRAIN), '002': ('coffee.png', 100, TRAIN), '000': ('coffee.png', 4, VAL)}
META_INFO = 'datasets/REDS/meta_info_REDS_GT.txt'
WIDTH, HEIGHT = 192, 144


def camera_path(photo, length, rng):
    """Frames of a camera that moves from one place to another, uint8 (H, W, 3)."""
    margin = np.array([WIDTH, HEIGHT]) / 2
    start, end = rng.uniform(margin, np.array(photo.shape[1::-1]) - margin, (2, 2))
    return [cv2.getRectSubPix(photo, (WIDTH, HEIGHT), place) for place in np.linspace(start, end, 100)[:length]]


def main():
    rng = np.random.default_rng(0)
    for clip, (photo, length, folders) in CLIPS.items():
        gt, lq = (Path(folder, clip) for folder in folders)
        gt.mkdir(parents=True, exist_ok=True)
        lq.mkdir(parents=True, exist_ok=True)
        image = cv2.imread(str(Path(skimage.__file__).parent / 'data' / photo))
        for number, frame in enumerate(camera_path(image, length, rng)):
            cv2.imwrite(str(gt / f'{number:08d}.png'), frame)
            small = cv2.resize(frame, (WIDTH // 4, HEIGHT // 4), interpolation=cv2.INTER_AREA)
            cv2.imwrite(str(lq / f'{number:08d}.png'), small)
    lines = [
        f'{clip} {length} ({HEIGHT},{WIDTH},3)' for clip, (_, length, folders) in CLIPS.items() if folders == TRAIN
    ]
    Path(META_INFO).write_text('\n'.join(lines) + '\n')


if __name__ == '__main__':
    main()
