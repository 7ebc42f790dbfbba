"""Tracks of faces of real videos, composed to scenes with known truth: found, lost, swapped, invented.

    python benchmarks/clip_scenes.py FOLDER
    python benchmarks/clip_scenes.py FOLDER --blur 1.5 --noise 8 --write scenes

Each video of the folder shows one face throughout. Where it is, is measured in the video itself; it is then cut out
with a soft edge, with all that it does there, and moved along a known path. `--write` keeps the scenes as videos.
"""

import argparse
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path

import cv2
import numpy as np
from face_tracks import analyse, write_score, write_titles
from scipy.ndimage import median_filter

from pgtf_basicsr.faces.detection import CenterFaceDetector
from pgtf_basicsr.faces.squares import FaceSquare, face_square
from pgtf_basicsr.samples.scenes import Actor, Scene
from pgtf_basicsr.video import VideoReader, VideoWriter

WIDTH, HEIGHT, RATE = 640, 360, 25
# Frames that are read of each video.
LENGTH = 150
# Half axes of what is cut out, and its soft edge, in sides of the square.
ELLIPSE, EDGE = (0.4, 0.55), 0.12


@dataclass(frozen=True)
class Clip:
    """Frames with one face.

    Attributes:
        images (list[ndarray]): (H, W, 3) uint8 RGB.
        squares (list[FaceSquare]): The face in each.
    """

    images: list
    squares: list


@dataclass(frozen=True)
class ClipScene(Scene):
    """A scene whose portraits are clips. An actor plays from the frame on that its place in the scene gives it."""

    clips: tuple = ()
    width: int = WIDTH
    height: int = HEIGHT

    def frame(self, number):
        canvas = self.background(number)
        for index, actor in enumerate(self.actors):
            place = actor.place(number)
            if place is not None:
                clip = self.clips[actor.portrait]
                shown = there_and_back(number + 37 * index, len(clip.images))
                paste(canvas, clip.images[shown], clip.squares[shown], place, np.radians(actor.yaw(number)))
        return np.rint(canvas).astype(np.uint8)

    def background(self, number):
        """A video without what makes a face one."""
        images = self.clips[sum(cut <= number for cut in self.cuts) % len(self.clips)].images
        image = cv2.resize(images[there_and_back(number, len(images))], (self.width, self.height))
        return cv2.GaussianBlur(image.astype(np.float32), (0, 0), 35)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('folder', type=Path, help='of videos')
    parser.add_argument('--detect-every', type=int, default=1, help='frames (default: %(default)s)')
    parser.add_argument('--blur', type=float, default=0, help='standard deviation in pixels (default: %(default)s)')
    parser.add_argument('--noise', type=float, default=0, help='standard deviation in levels (default: %(default)s)')
    parser.add_argument('--write', type=Path, metavar='FOLDER', help='where the scenes are written as videos')
    args = parser.parse_args()
    clips = tuple(read_clip(path) for path in sorted(args.folder.iterdir()) if path.suffix == '.mp4')
    write_titles()
    for number, scene in enumerate(scenes_of(clips)):
        write_score(scene, analyse(scene, args.blur, args.noise, args.detect_every))
        if args.write is not None:
            args.write.mkdir(parents=True, exist_ok=True)
            with VideoWriter(args.write / f'{number}.mp4', RATE, WIDTH, HEIGHT) as writer:
                for frame in map(scene.frame, range(scene.length)):
                    writer.write(frame)


def scenes_of(clips):
    """The scenes, each with as many of the clips as it needs."""
    scene = partial(ClipScene, clips=clips)
    one, two, three = (number % len(clips) for number in range(3))
    left, right = moving(120, 180, 4.5, 0.4, 180), moving(520, 185, -4.5, -0.3, 190)
    sitting = moving(300, 180, 0.6, 0.2, 220)
    crowd = [
        Actor(f'face {n}', n % len(clips), moving(80 + 160 * (n % 4), 95 + 175 * (n // 4), 0.3, 0.1, 145))
        for n in range(8)
    ]
    return [
        scene('two faces cross, one hides the other', 90, [Actor('a', one, left), Actor('b', two, right)]),
        scene(
            'two faces cross at different sizes',
            90,
            [Actor('a', three, moving(520, 160, -4.4, 0, 130)), Actor('b', one, moving(120, 190, 4.4, 0, 230))],
        ),
        scene('a cut to a faceless shot and back', 90, [Actor('a', one, absent(sitting, 30, 60))], (30, 60)),
        scene(
            'cuts from one face to another in its place',
            90,
            [
                Actor('a', two, absent(sitting, 30, 60)),
                Actor('b', three, lambda n: sitting(n) if 30 <= n < 60 else None),
            ],
            (30, 60),
        ),
        scene('a face leaves and enters', 120, [Actor('a', two, leaving)]),
        scene('a face turns to half profile and back', 75, [Actor('a', three, sitting, turning)]),
        scene('a crowd of eight', 50, crowd),
        scene('nobody', 50, []),
    ]


def read_clip(path):
    with VideoReader(path) as reader:
        images = list(islice(reader.images(), LENGTH))
    detector = CenterFaceDetector(512)
    columns = np.full((3, len(images)), np.nan)
    for number, image in enumerate(images):
        squares = [face_square(face.landmarks, face.score) for face in detector.detect(image)]
        if squares:
            best = max(squares, key=lambda square: square.score * square.size)
            columns[:, number] = best.x, best.y, best.size
    known = np.flatnonzero(np.isfinite(columns[0]))
    filled = [np.interp(np.arange(len(images)), known, column[known]) for column in columns]
    steady = [median_filter(column, 9, mode='nearest') for column in filled]
    return Clip(images, [FaceSquare(*values, 0) for values in zip(*steady)])


def paste(canvas, image, face, place, yaw):
    """Paste the face of an image into a canvas (H, W, 3) float, so that it has this square, turned aside by a yaw."""
    height, width = canvas.shape[:2]
    y, x = np.mgrid[:height, :width].astype(np.float32)
    across, down = (x - place.x) / place.size, (y - place.y) / place.size
    alpha = np.clip((1 - np.hypot(across / ELLIPSE[0], down / ELLIPSE[1])) / EDGE, 0, 1)[..., np.newaxis]
    # The head is a cylinder that the video is painted on; it goes aside so that the face stays.
    angle = np.arcsin(np.clip(across / ELLIPSE[0] - 0.6 * np.sin(yaw), -1, 1))
    painted = np.sin(np.clip(angle + yaw, -np.pi / 2, np.pi / 2)) * ELLIPSE[0] if yaw else across
    scale = face.size / place.size
    low_pass = cv2.GaussianBlur(image, (0, 0), 0.4 * scale) if scale > 1 else image
    column, row = face.x + face.size * painted, face.y + face.size * down
    patch = cv2.remap(
        low_pass, column.astype(np.float32), row.astype(np.float32), cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    canvas += alpha * (patch - canvas)


def there_and_back(number, length):
    """Play a clip forwards and backwards, so that nothing jumps."""
    place = number % (2 * length - 2)
    return min(place, 2 * length - 2 - place)


def moving(x, y, speed_x, speed_y, size):
    return lambda number: FaceSquare(x + speed_x * number, y + speed_y * number, size, 0)


def absent(place, first, end):
    return lambda number: None if first <= number < end else place(number)


def leaving(number):
    """To the right, out of the frame for more than a second, and back."""
    return FaceSquare(380 + 420 * np.sin(np.pi * number / 120), 180, 190, 0)


def turning(number):
    """To 60 degrees and back in three seconds."""
    return 60 * np.sin(np.pi * number / 75)


if __name__ == '__main__':
    main()
