from itertools import pairwise

import numpy as np

from pgtf_basicsr.faces.alignment import face_template
from pgtf_basicsr.faces.crops import crop_face
from pgtf_basicsr.faces.detection import Face
from pgtf_basicsr.faces.tracks import track_faces


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
