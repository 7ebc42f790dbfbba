import math
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest

from pgtf_basicsr.faces.alignment import face_template
from pgtf_basicsr.faces.analysis import FaceFinder
from pgtf_basicsr.faces.crops import crop_face
from pgtf_basicsr.faces.detection import Face
from pgtf_basicsr.faces.squares import FaceSquare
from pgtf_basicsr.faces.tracks import follow_faces, track_faces


def face_at(x, y, side=20):
    box = np.array([x, y, x + side, y + side], float)
    return Face(box, 1.0, box[:2] + face_template(side))


def test_faces_that_cross_keep_their_tracks_and_cuts_end_them():
    frames = [[face_at(10 + 3 * index, 0), face_at(100 - 3 * index, 15)] for index in range(20)]
    frames[7] = frames[7][:1]
    tracks = track_faces(frames, cuts=[12], max_gap=2)
    assert [(track.first, len(track.faces)) for track in tracks] == [(0, 12), (0, 12), (12, 8), (12, 8)]
    assert [face and face.box[1] for face in tracks[1].faces] == 7 * [15.0] + [None] + 4 * [15.0]
    frames[7:10] = [frames[7][:1]] * 3
    tracks = track_faces(frames, cuts=[], max_gap=2)
    assert sorted(len(track.faces) for track in tracks if track.faces[0].box[1] == 15) == [7, 10]


def test_a_face_that_moves_far_gets_several_crops():
    still = np.stack([100 + face_template(60)] * 10)
    (crop,) = crop_face(still, 5, height=400, width=400)
    assert (crop.first, crop.last) == (5, 14)
    assert abs(crop.width - 60) <= 2 and abs(crop.left - 100) <= 1
    moving = np.stack([face_template(60) + (100 + 6 * index, 100) for index in range(20)])
    crops = crop_face(moving, 0, height=400, width=400)
    assert len(crops) > 1 and crops[0].first == 0 and crops[-1].last == 19
    assert all(later.first == earlier.last + 1 for earlier, later in pairwise(crops))
    assert all(crop.width <= 1.4 * 60 + 3 and (crop.landmarks > 0).all() for crop in crops)
    (crop,) = crop_face(still - 110, 0, height=400, width=400)  # partly outside
    assert (crop.left, crop.top) == (0, 0) and crop.width < 60


def wandering(seed, count, frames, speed):
    """Squares (frames, count, 3) of faces that wander to and fro in a wide frame."""
    rng = np.random.default_rng(seed)
    times = np.arange(frames)[:, np.newaxis]
    phases, periods = rng.uniform(0, 2 * np.pi, (3, count)), rng.uniform(80, 200, (3, count)) / speed
    waves = np.sin(2 * np.pi * times / periods[:, np.newaxis] + phases[:, np.newaxis])
    x, y = 640 + 384 * waves[0] + 128 * waves[1], 360 + 72 * waves[2]
    return np.stack([x, y, np.broadcast_to(rng.uniform(120, 260, count), x.shape)], axis=-1)


def detections_of(squares, seed, miss, every=1):
    """What a detector sees, and whose it is: noise of 1 % of the size, misses, and none of hidden faces."""
    rng = np.random.default_rng(seed)
    frames, owners = [], []
    for number, faces in enumerate(squares):
        seen = [
            index
            for index, (x, y, size) in enumerate(faces)
            if rng.random() > miss
            and not any(math.hypot(x - a, y - b) < 0.45 * front for a, b, front in faces if front > size)
        ]
        seen = seen if number % every == 0 else []
        noise = rng.normal(0, 0.01, (len(faces), 3))
        frames.append([FaceSquare(*(faces[index] + noise[index] * faces[index, 2]), 0) for index in seen])
        owners.append(seen)
    return frames, owners


@pytest.mark.parametrize('speed, every', [(1, 1), (0.35, 1), (0.35, 3)])
def test_two_faces_that_cross_again_and_again_are_not_swapped(speed, every):
    """At up to 15 % of the size a frame; the smaller face is hidden by the larger one for some frames."""
    crossings = 0
    for seed in range(10):
        squares = wandering(seed, 2, 300, speed)
        crossings += np.count_nonzero(np.diff(np.sign(squares[:, 0, 0] - squares[:, 1, 0])))
        frames, owners = detections_of(squares, seed, miss=0.05, every=every)
        for places in follow_faces(frames, [], max_gap=25):
            assert len({owners[number][index] for number, index in places}) == 1
    assert crossings > 10


def test_tracks_do_not_depend_on_the_size_in_pixels():
    squares = wandering(1, 4, 100, 0.5)
    frames, _ = detections_of(squares, 1, miss=0.1)
    larger = [[FaceSquare(10 * face.x, 10 * face.y, 10 * face.size, 0) for face in faces] for faces in frames]
    assert follow_faces(frames, [], 10) == follow_faces(larger, [], 10)


def test_a_face_may_be_missing_for_so_many_frames():
    frames = [[FaceSquare(50, 50, 40, 0)] if number in (0, 1, 7) else [] for number in range(8)]
    assert follow_faces(frames, [], max_gap=5) == [[(0, 0), (1, 0), (7, 0)]]
    assert follow_faces(frames, [], max_gap=4) == [[(0, 0), (1, 0)], [(7, 0)]]


def test_a_new_face_needs_a_better_score_than_a_known_one():
    scores = [0.4, 0.6, 0.4, 0.4, 0.6]
    frames = [[FaceSquare(50, 50, 40, 0, score)] for score in scores]
    assert follow_faces(frames, [], 5, start_score=0.5) == [[(number, 0) for number in range(1, 5)]]


def test_no_frame_is_kept():
    """Three faces a frame take some hundred bytes each."""

    class ThreeFaces:
        min_score = 0.5

        def detect(self, frame):
            return [face_at(30 * index, 10) for index in range(3)]

    finder = FaceFinder(ThreeFaces())
    tracemalloc.start()
    for _ in range(500):
        assert finder.add(np.zeros((120, 160, 3), np.uint8)) == 3
    kept, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert kept < 500 * 3 * 400
    assert [(track.id, track.first, track.last) for track in finder.tracks([200], 5)] == [
        (1, 0, 199),
        (2, 0, 199),
        (3, 0, 199),
        (4, 200, 499),
        (5, 200, 499),
        (6, 200, 499),
    ]


def test_a_face_that_is_drawn_towards_the_one_that_hides_it_keeps_its_number():
    """Places as a detector gave them of two real faces that cross, the front one's first; the other is hidden."""
    front = [385, 380, 375, 372, 367, 363, 357, 349, 346, 343, *range(340, 292, -4), 294, 290, 287, 280, 274]
    behind = [254, 255, 262, 269, 275, 289, 308, 307, 304, 291, *[None] * 12, 353, 356, 359, 362, 364]
    frames = [
        [FaceSquare(x, 180, 200, 0) for x in places if x is not None] for places in zip(front, behind, strict=True)
    ]
    one, other = follow_faces(frames, [], max_gap=25)
    assert one == [(number, 0) for number in range(27)]
    assert other == [(number, 1) for number in (*range(10), *range(22, 27))]
