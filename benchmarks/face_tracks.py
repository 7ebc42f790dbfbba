"""Faces of composed scenes, found, lost, swapped and invented against the known truth; and speed of detection.

    python benchmarks/face_tracks.py
    python benchmarks/face_tracks.py --detect-every 3 --rounds 0

The scenes are those of `pgtf_basicsr.samples.scenes`, with the real detector. Speed is that of CenterFace on frames of
1920 x 1080 pixels, shrunk to several sizes: the median of the rounds.
"""

import argparse
import statistics
import sys
import time

import cv2

from pgtf_basicsr.faces.analysis import Analysis, VideoFacts, build_finder
from pgtf_basicsr.faces.detection import CenterFaceDetector, DetectorChoice
from pgtf_basicsr.samples.scenes import scenes, score_tracks
from pgtf_basicsr.video.shots import ShotDetector

SIDES = (320, 384, 448, 512, 640)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument('--detect-every', type=int, default=1, help='frames (default: %(default)s)')
    parser.add_argument('--rounds', type=int, default=20, help='frames to time (default: %(default)s)')
    args = parser.parse_args()
    columns = ('visible', 'found', 'lost', 'swapped', 'invented', 'tracks')
    sys.stdout.write(f'{"scene":40s}' + ''.join(f'{column:>10s}' for column in columns) + '\n')
    for scene in scenes():
        score = score_tracks(scene, analyse(scene, args.detect_every))
        values = ''.join(f'{getattr(score, column):10d}' for column in columns)
        sys.stdout.write(f'{scene.name:40s}{values}\n')
        sys.stdout.flush()
    if args.rounds:
        frame = cv2.resize(scenes()[0].frame(0), (1920, 1080), interpolation=cv2.INTER_CUBIC)
        for side in SIDES:
            sys.stdout.write(f'1920 x 1080, shrunk to {side}: {rate(side, frame, args.rounds):.1f} frames a second\n')


def analyse(scene, detect_every):
    """Analysis of a scene, as of a video."""
    shots, finder = ShotDetector(), build_finder(DetectorChoice('centerface'), detect_every)
    for number in range(scene.length):
        frame = scene.frame(number)
        shots.add(frame)
        finder.add(frame)
    shots.finish()
    video = VideoFacts(scene.name, scene.width, scene.height, scene.length, 25)
    return Analysis(video, 'centerface', detect_every, 8, shots.cuts, finder.tracks(shots.cuts, 25))


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
