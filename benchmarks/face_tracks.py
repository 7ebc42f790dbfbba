"""Faces of composed scenes, found, lost, swapped and invented against the known truth; steadiness of crops; speed.

    python benchmarks/face_tracks.py
    python benchmarks/face_tracks.py --detect-every 3 --blur 1.5 --noise 5 --rounds 0

The scenes are those of `pgtf_basicsr.samples.scenes`, with the real detector; `clip_scenes.py` makes some of videos.
Crops are those of faces whose places have noise, over many clips with and without gaps of 5 frames. Of a still face,
with noise of 2 pixels: how far the crop moves from frame to frame at most, in pixels. Of faces that move by up to 5 %
of their size a frame, at several sizes and with noise of 1 or 2 pixels, in percent of their size: the lag, which is the
largest error along the motion that is left on average over the clips, and behind the sign ± the standard deviation of
the crop's place, which is what is left of the noise; with n clips chance makes of it a lag of about three times that
over the root of n. How much noise the detector has is printed before, as the standard deviation of its squares' centres
in frames with a face anywhere: two portraits each, clear, a little and much degraded by blur and noise. Speed is that
of CenterFace on frames of 1920 x 1080 pixels, shrunk to several sizes (the median of the rounds), and that of the rest.
"""

import argparse
import statistics
import sys
import time
from dataclasses import astuple, fields
from functools import partial

import cv2
import numpy as np

from pgtf_basicsr.faces.analysis import Analysis, VideoFacts, build_finder
from pgtf_basicsr.faces.crop_paths import crop_paths
from pgtf_basicsr.faces.detection import CenterFaceDetector, DetectorChoice
from pgtf_basicsr.faces.sampling import sample_crop
from pgtf_basicsr.faces.squares import FaceSquare
from pgtf_basicsr.faces.tracks import follow_faces
from pgtf_basicsr.samples.scenes import Actor, Scene, TrackScore, scenes, score_tracks
from pgtf_basicsr.video.shots import ShotDetector

SIDES = (320, 384, 448, 512, 640)
# Sides of squares, and standard deviation of the noise of their places, in pixels.
CASES, FRAMES = ((50, 1), (50, 2), (100, 2), (200, 2), (300, 2)), 300
# Standard deviations of blur, in pixels, and of noise, in levels.
DEGRADATIONS = ((0, 0), (1, 5), (1.5, 10))
TIMES = np.arange(FRAMES)
# Paths whose fastest step is 1. The shorter the period, the greater the acceleration: 2 pi / period a frame at most.
MOTIONS = {'constant speed': TIMES} | {
    f'to and fro in {period / 25:g} seconds': period / (2 * np.pi) * np.sin(2 * np.pi * TIMES / period)
    for period in (200, 100, 50, 25, 12.5)
}
MOTIONS |= {
    f'starts within {frames} frames': np.cumsum(np.clip((TIMES - 150) / frames, 0, 1)) for frames in (25, 12, 6, 1)
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--detect-every', type=int, default=1, help='frames (default: %(default)s)')
    parser.add_argument('--blur', type=float, default=0, help='standard deviation in pixels (default: %(default)s)')
    parser.add_argument('--noise', type=float, default=0, help='standard deviation in levels (default: %(default)s)')
    parser.add_argument('--clips', type=int, default=100, help='to average over (default: %(default)s)')
    parser.add_argument('--rounds', type=int, default=20, help='frames to time (default: %(default)s)')
    args = parser.parse_args()
    write_titles()
    for scene in scenes():
        write_score(scene, analyse(scene, args.blur, args.noise, args.detect_every))
    for size in sorted({size for size, _ in CASES}):
        detector_noise(size, args.clips)
    still(args.clips)
    sys.stdout.write(f'{"lag, %":40s}' + ''.join(f'{f"{size} px, {noise} px":>16s}' for size, noise in CASES) + '\n')
    for gap in (0, 5):
        for name, motion in MOTIONS.items():
            lags(f'{name}{f", gaps of {gap}" * bool(gap)}', motion, gap, args.clips)
    if args.rounds:
        frame = cv2.resize(scenes()[0].frame(0), (1920, 1080), interpolation=cv2.INTER_CUBIC)
        for side in SIDES:
            sys.stdout.write(f'1920 x 1080, shrunk to {side}: {rate(side, frame, args.rounds):.1f} frames a second\n')
        time_the_rest(frame)


def analyse(scene, blur, noise, detect_every=1):
    """Analysis of a scene, as of a video, with blur and noise."""
    shots, finder = ShotDetector(), build_finder(DetectorChoice('centerface'), detect_every)
    for number in range(scene.length):
        frame = degrade(scene.frame(number), blur, noise, number)
        shots.add(frame)
        finder.add(frame)
    shots.finish()
    video = VideoFacts(scene.name, scene.width, scene.height, scene.length, 25)
    return Analysis(video, 'centerface', detect_every, 8, shots.cuts, finder.tracks(shots.cuts, 25))


def degrade(frame, blur, noise, seed):
    frame = cv2.GaussianBlur(frame, (0, 0), blur) if blur else frame
    noisy = frame + np.random.default_rng(seed).normal(0, noise, frame.shape)
    return np.rint(noisy).clip(0, 255).astype(np.uint8)


def write_titles():
    columns = (field.name for field in fields(TrackScore))
    sys.stdout.write(f'{"scene":44s}' + ''.join(f'{column:>10s}' for column in columns) + '\n')


def write_score(scene, analysis):
    values = ''.join(f'{value:10d}' for value in astuple(score_tracks(scene, analysis)))
    sys.stdout.write(f'{scene.name:44s}{values}\n')
    sys.stdout.flush()


def detector_noise(size, frames):
    """Write how far the detector's squares scatter about the truth, for squares of a size, in pixels."""
    middle, cells = 2 * size, []
    for blur, noise in DEGRADATIONS:
        # Frames have nothing to do with each other, so that what is measured is one detection's.
        places = middle + np.random.default_rng(size).uniform(-size / 16, size / 16, (2, frames, 2))
        for portrait, centres in enumerate(places):
            actor = Actor('face', portrait, partial(square_at, centres, size))
            scene = Scene('one face', frames, [actor], width=2 * middle, height=2 * middle)
            (track,) = analyse(scene, blur, noise).tracks
            found = np.array([(square.x, square.y) for square in track.detections.values()])
            deviations = (found - centres[list(track.detections)]).std(axis=0)
            cells.append(f'{np.sqrt(np.mean(deviations**2)):.2f}')
    sys.stdout.write(f'noise of the detector on squares of {size} pixels: {" ".join(cells)}\n')
    sys.stdout.flush()


def square_at(centres, size, number):
    return FaceSquare(*centres[number], size, 0)


def still(clips):
    """Write how far the crop of a still face moves from frame to frame."""
    for gap in (0, 5):
        errors = errors_of(np.zeros(FRAMES), 200, 2, gap, clips)
        steps = np.linalg.norm(np.diff(errors, axis=1), axis=-1)
        sys.stdout.write(f'a still face, gaps of {gap}: moves {steps.max():.3f} pixels at most, ')
        sys.stdout.write(f'{(steps.max(axis=1) > 0.2).sum()} of {clips} clips by more than 0.2\n')


def lags(name, motion, gap, clips):
    """Write the lag of a moving face, and the noise that is left, in percent of its size."""
    cells = []
    for size, noise in CASES:
        along = errors_of(0.05 * size * motion, size, noise, gap, clips)[..., 0]
        lag, left = (100 / size * value for value in (np.abs(along.mean(axis=0)).max(), along.std(axis=0).mean()))
        cells.append(f'{lag:.2f} ± {left:.2f}')
    sys.stdout.write(f'{name:40s}' + ''.join(f'{cell:>16s}' for cell in cells) + '\n')
    sys.stdout.flush()


def errors_of(path, size, noise, gap, clips):
    """Errors (clips, frames, 2) of crops of a face that moves along a path in x, in pixels."""
    truth = np.stack([500 + path, np.full(FRAMES, 500)], axis=1)
    # Gaps are elsewhere in each clip, so that each frame is as often in one. Tracks begin and end with a face.
    errors = []
    for seed in range(clips):
        rng = np.random.default_rng(seed)
        noisy, begin = truth + rng.normal(0, noise, truth.shape), rng.integers(25)
        numbers = [number for number in TIMES if number in (0, FRAMES - 1) or (number + begin) % 25 >= gap]
        squares = {number: FaceSquare(*noisy[number], size, 0) for number in numbers}
        (crops,) = crop_paths(squares, 0, FRAMES - 1, 8)
        errors.append(crops.centres - truth)
    return np.array(errors)


def time_the_rest(frame):
    """Write the milliseconds of tracking, smoothing and sampling, with two faces."""
    faces = [[FaceSquare(300 + number, 500, 300, 0), FaceSquare(1500 - number, 500, 300, 0)] for number in range(1000)]
    start = time.perf_counter()
    tracks = follow_faces(faces, [], 25)
    followed = time.perf_counter()
    paths = [crop_paths({number: faces[number][index] for number, index in track}, 0, 999, 8)[0] for track in tracks]
    smoothed = time.perf_counter()
    for number in range(0, 1000, 20):
        for path in paths:
            sample_crop(frame, path.matrix(number, 512), 512)
    sampled = time.perf_counter()
    for name, seconds, count in (
        ('tracking', followed - start, 1000),
        ('smoothing', smoothed - followed, 1000),
        ('sampling', sampled - smoothed, 50),
    ):
        sys.stdout.write(f'{name} of two faces: {1000 * seconds / count:.2f} ms a frame\n')


def rate(side, frame, rounds):
    detector = CenterFaceDetector(side)
    seconds = []
    for _ in range(rounds + 1):
        start = time.perf_counter()
        detector.detect(frame)
        seconds.append(time.perf_counter() - start)
    return 1 / statistics.median(seconds[1:])


if __name__ == '__main__':
    main()
