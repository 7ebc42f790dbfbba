import json
from dataclasses import replace

import cv2
import numpy as np
import pytest

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.faces.analysis import Analysis, FaceTrack, VideoFacts
from pgtf_basicsr.faces.analysis_file import check_video, read_analysis, write_analysis
from pgtf_basicsr.faces.selection import select_faces
from pgtf_basicsr.faces.sheet import face_sheet, shown_frames
from pgtf_basicsr.faces.squares import FaceSquare

VIDEO = VideoFacts('holiday "one".mov', 320, 240, 100, 30000 / 1001)


def track(number, first, last, size, x=100.127, missing=()):
    detections = {
        frame: FaceSquare(x + frame, 80.5, size + frame / 7, -3.333, 0.912)
        for frame in range(first, last + 1)
        if frame not in missing
    }
    return FaceTrack(number, detections)


@pytest.fixture
def analysis():
    tracks = [track(1, 0, 39, 60), track(2, 10, 39, 90, x=200, missing=range(20, 25)), track(3, 40, 99, 50)]
    return Analysis(VIDEO, 'centerface', 1, 8, [40], tracks)


def test_an_analysis_is_read_as_it_was_written(analysis, tmp_path):
    path = tmp_path / 'faces.json'
    write_analysis(path, analysis)
    assert read_analysis(path) == analysis
    assert [item.name for item in tmp_path.iterdir()] == ['faces.json']
    # A line a detection, with its numbers in the order that the file itself names.
    assert json.loads(path.read_text())['columns'] == ['frame', 'x', 'y', 'size', 'angle', 'score']
    assert '   [2, 102.13, 80.5, 60.29, -3.33, 0.91],' in path.read_text().splitlines()
    write_analysis(path, replace(analysis, tracks=[], cuts=[]))
    assert read_analysis(path).tracks == []


def test_a_removed_track_and_changed_numbers_are_taken(analysis, tmp_path):
    path = tmp_path / 'faces.json'
    write_analysis(path, analysis)
    contents = json.loads(path.read_text())
    del contents['tracks'][0]
    contents['tracks'][1]['detections'] = [[40, 50, 60, 70, 0, 1], [99, 109, 60, 70, 0, 1]]
    contents['max_fill'] = 100
    path.write_text(json.dumps(contents))
    changed = read_analysis(path)
    assert [track.id for track in changed.tracks] == [2, 3]
    (crops,) = changed.paths[3]
    assert np.allclose(crops.centres, [(50 + number, 60) for number in range(60)], atol=0.02)


@pytest.mark.parametrize(
    'place, value, message',
    [
        (('tracks', 0, 'detections', 3, 3), 0, r'tracks\[0\]\.detections\[3\]\.size: .*greater than or equal to 0\.01'),
        (('tracks', 0, 'detections', 3, 3), 0.001, r'detections\[3\]\.size: .*greater than or equal to 0\.01'),
        (('tracks', 0, 'detections', 3, 1), '12', r'detections\[3\]\.x: .*valid number'),
        (('tracks', 0, 'detections', 3, 0), 2, 'track 1: the frames of its detections do not ascend'),
        (('tracks', 0, 'detections', 3), [3, 1, 2], r'detections\[3\]'),
        (('tracks', 0, 'detections'), [], 'track 1 has no detections; remove the track'),
        (('tracks', 0, 'detections', 39, 0), 40, 'track 1 goes across the cut at frame 40'),
        (('tracks', 2, 'detections', 59, 0), 100, 'track 3 has a detection in frame 100; the last frame .* is 99'),
        (('cuts',), [40, 30], 'its cuts do not ascend'),
        (('tracks', 2, 'id'), 1, 'there are 2 tracks 1'),
        (('tracks', 2, 'name'), 'Ann', r'tracks\[2\]\.name: '),
        (('columns', 1), 'y', r'columns\[1\]: '),
        (('schema',), 2, '"schema" should be 1, not 2'),
        (('video', 'width'), -1, r'video\.width: '),
        (('max_fill',), None, 'max_fill: '),
    ],
)
def test_what_is_wrong_with_an_edited_file_is_said(analysis, tmp_path, place, value, message):
    path = tmp_path / 'faces.json'
    write_analysis(path, analysis)
    contents = json.loads(path.read_text())
    *parents, last = place
    part = contents
    for key in parents:
        part = part[key]
    part[last] = value
    path.write_text(json.dumps(contents))
    with pytest.raises(UserError, match=message) as caught:
        read_analysis(path)
    assert '\n' not in str(caught.value) and 'faces.json' in str(caught.value)


@pytest.mark.parametrize(
    'text, message',
    [
        ('{"schema": 1,\n "video": }', 'is not JSON: .* line 2 column 11'),
        ('[]', '"schema" should be 1'),
        ('{"schema": NaN}', 'NaN is not a number'),
        ('\udcff', 'is not JSON'),
    ],
)
def test_a_file_that_is_no_analysis_is_refused(tmp_path, text, message):
    path = tmp_path / 'faces.json'
    path.write_bytes(text.encode('utf-8', 'surrogateescape'))
    with pytest.raises(UserError, match=message):
        read_analysis(path)
    with pytest.raises(UserError, match='cannot read the analysis .*none.json'):
        read_analysis(tmp_path / 'none.json')


def test_the_analysis_of_another_video_is_refused(analysis):
    check_video(analysis, 'faces.json', replace(VIDEO, name='renamed.mov'))
    with pytest.raises(UserError, match=r'faces.json is of holiday "one".mov: 320x240, 100 frames, not of .*: 640x240'):
        check_video(analysis, 'faces.json', replace(VIDEO, width=640))


def test_contents_count_where_an_analysis_states_them(analysis, tmp_path):
    path, video = tmp_path / 'faces.json', replace(VIDEO, digest='0123456789abcdef')
    stated = replace(analysis, video=video)
    write_analysis(path, stated)
    assert read_analysis(path) == stated
    contents = json.loads(path.read_text())
    del contents['video']['digest']
    path.write_text(json.dumps(contents))
    earlier = read_analysis(path)
    assert earlier == analysis
    check_video(earlier, path, video)
    check_video(stated, path, VIDEO)
    with pytest.raises(UserError, match=r'100 frames, contents 01234567, not of .*, 100 frames, contents fedcba98;'):
        check_video(stated, path, replace(VIDEO, digest='fedcba9876543210'))
    with pytest.raises(UserError, match=r'320x240, 100 frames, not of .*: 640x240, 100 frames;'):
        check_video(stated, path, replace(video, width=640))


def test_faces_are_selected(analysis):
    def chosen(selection):
        return [track.id for track in select_faces(analysis, selection)]

    assert chosen('all') == [1, 2, 3]
    assert chosen('largest') == [2, 3]  # the first is smaller than the second while both are there
    assert chosen('1') == [1] and chosen(' 3, 1') == [1, 3]
    with pytest.raises(UserError, match='no face 4; its faces are 1, 2, 3'):
        chosen('1,4')
    with pytest.raises(UserError, match='should be all, largest, or numbers'):
        chosen('biggest')
    with pytest.raises(UserError, match='it has none'):
        select_faces(replace(analysis, tracks=[]), '1')


def test_the_sheet_shows_each_face(analysis):
    colours = {1: (200, 40, 40), 2: (40, 200, 40), 3: (40, 40, 200)}
    shown = shown_frames(analysis)
    assert {track.id for tracks in shown.values() for track in tracks} == {1, 2, 3}
    frames = []
    for number, tracks in shown.items():
        frame = np.full((VIDEO.height, VIDEO.width, 3), 90, np.uint8)
        for face in tracks:
            square = face.detections[number]
            cv2.circle(frame, (round(square.x), round(square.y)), round(square.size / 4), colours[face.id], -1)
        frames.append((number, frame))
    sheet = face_sheet(analysis, reversed(frames))
    middles = [tuple(int(value) for value in sheet[8 + 80, 8 + 80 + index * 168]) for index in range(3)]
    assert middles == list(colours.values())
    labels = sheet[8 + 160 :]
    assert all((labels[:, 8 + index * 168 : 168 * (index + 1)] < 100).any() for index in range(3))  # ink below each
    many = replace(analysis, cuts=[], tracks=[track(number, 0, 5, 60) for number in range(1, 9)])
    tiles = face_sheet(many, [(5, np.zeros((240, 320, 3), np.uint8))])
    assert tiles.shape == (8 + 2 * 200, 8 + 6 * 168, 3)
