"""Faces of composed scenes, found, lost, swapped and invented against the known truth; steadiness of crops; speed.

    python benchmarks/face_tracks.py
    python benchmarks/face_tracks.py --detect-every 3 --blur 1.5 --noise 5 --rounds 0

The scenes are those of `pgtf_basicsr.samples.scenes`, with the real detector. Crops are those of a face of 200 pixels,
with noise of 2 pixels: how far that of a still face moves from frame to frame at most, and how far that of a face that
moves by up to 5 % of its size a frame is off on average over fifty clips, at most, in percent of the size. Speed is
that of CenterFace on frames of 1920 x 1080 pixels, shrunk to several sizes (the median of the rounds), and that of the
rest.
"""

import argparse
import statistics
import sys
import time

import cv2
import numpy as np

from pgtf_basicsr.faces.analysis import Analysis, VideoFacts, build_finder
from pgtf_basicsr.faces.crop_paths import crop_paths
from pgtf_basicsr.faces.detection import CenterFaceDetector, DetectorChoice
from pgtf_basicsr.faces.sampling import sample_crop
from pgtf_basicsr.faces.squares import FaceSquare
from pgtf_basicsr.faces.tracks import follow_faces
from pgtf_basicsr.samples.scenes import scenes, score_tracks
from pgtf_basicsr.video.shots import ShotDetector

SIDES = (320, 384, 448, 512, 640)
SIZE, NOISE, FRAMES, CLIPS = 200, 2, 300, 50
TIMES = np.arange(FRAMES)
# Paths whose fastest step is 1.
MOTIONS = {
    'still': np.zeros(FRAMES),
    'constant speed': TIMES,
    'to and fro in 4 seconds': 16 * np.sin(TIMES / 16),
    'to and fro in 2 seconds': 8 * np.sin(TIMES / 8),
    'to and fro in 1 second': 4 * np.sin(TIMES / 4),
    'starts within 12 frames': np.cumsum(np.clip((TIMES - 150) / 12, 0, 1)),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--detect-every', type=int, default=1, help='frames (default: %(default)s)')
    parser.add_argument('--blur', type=float, default=0, help='standard deviation in pixels (default: %(default)s)')
    parser.add_argument('--noise', type=float, default=0, help='standard deviation in levels (default: %(default)s)')
    parser.add_argument('--rounds', type=int, default=20, help='frames to time (default: %(default)s)')
    args = parser.parse_args()
    columns = ('visible', 'found', 'lost', 'swapped', 'invented', 'tracks')
    sys.stdout.write(f'{"scene":40s}' + ''.join(f'{column:>10s}' for column in columns) + '\n')
    for scene in scenes():
        score = score_tracks(scene, analyse(scene, args))
        values = ''.join(f'{getattr(score, column):10d}' for column in columns)
        sys.stdout.write(f'{scene.name:40s}{values}\n')
        sys.stdout.flush()
    for gap in (0, 5):
        for name, motion in MOTIONS.items():
            steadiness(name, motion, gap)
    if args.rounds:
        frame = cv2.resize(scenes()[0].frame(0), (1920, 1080), interpolation=cv2.INTER_CUBIC)
        for side in SIDES:
            sys.stdout.write(f'1920 x 1080, shrunk to {side}: {rate(side, frame, args.rounds):.1f} frames a second\n')
        time_the_rest(frame)


def analyse(scene, args):
    """Analysis of a scene, as of a video, with blur and noise."""
    shots, finder = ShotDetector(), build_finder(DetectorChoice('centerface'), args.detect_every)
    for number in range(scene.length):
        frame = degrade(scene.frame(number), args.blur, args.noise, number)
        shots.add(frame)
        finder.add(frame)
    shots.finish()
    video = VideoFacts(scene.name, scene.width, scene.height, scene.length, 25)
    return Analysis(video, 'centerface', args.detect_every, 8, shots.cuts, finder.tracks(shots.cuts, 25))


def degrade(frame, blur, noise, seed):
    frame = cv2.GaussianBlur(frame, (0, 0), blur) if blur else frame
    noisy = frame + np.random.default_rng(seed).normal(0, noise, frame.shape)
    return np.rint(noisy).clip(0, 255).astype(np.uint8)


def steadiness(name, motion, gap):
    """Write how far the crop moves or lags, with five frames of every 25 missing or none."""
    truth = np.stack([500 + 0.05 * SIZE * motion, np.full(FRAMES, 500)], axis=1)
    steps, errors = [], []
    for seed in range(CLIPS):
        noisy = truth + np.random.default_rng(seed).normal(0, NOISE, truth.shape)
        numbers = [number for number in range(FRAMES) if not 10 <= number % 25 < 10 + gap]
        (path,) = crop_paths({number: FaceSquare(*noisy[number], SIZE, 0) for number in numbers}, 0, FRAMES - 1, 8)
        steps.append(np.linalg.norm(np.diff(path.centres, axis=0), axis=1))
        errors.append(path.centres - truth)
    lag = 100 * np.linalg.norm(np.mean(errors, axis=0), axis=1).max() / SIZE
    figure = f'moves {np.max(steps):.3f} pixels' if name == 'still' else f'lags {lag:.2f} %'
    sys.stdout.write(f'{name}, gaps of {gap}: {figure}\n')


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
