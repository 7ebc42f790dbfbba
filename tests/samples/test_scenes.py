from dataclasses import replace

import cv2
import numpy as np
import pytest

from pgtf_basicsr.faces.analysis import Analysis, FaceTrack, VideoFacts, build_finder
from pgtf_basicsr.faces.detection import DetectorChoice
from pgtf_basicsr.samples.scenes import Scene, TrackScore, scenes, score_tracks
from pgtf_basicsr.video.shots import ShotDetector


def analyse(scene, detect_every=1):
    shots, finder = ShotDetector(), build_finder(DetectorChoice('centerface'), detect_every)
    for number in range(scene.length):
        frame = scene.frame(number)
        shots.add(frame)
        assert finder.add(frame) >= 0
    shots.finish()
    assert tuple(shots.cuts) == tuple(scene.cuts)
    video = VideoFacts(scene.name, scene.width, scene.height, scene.length, 25)
    return Analysis(video, 'centerface', detect_every, 8, shots.cuts, finder.tracks(shots.cuts, max_gap=25))


# Found, lost, swapped and invented, and the number of tracks: in all scenes every face that is wholly in view is found.
TABLE = {
    'two faces cross, one hides the other': 2,
    'two faces cross at different sizes': 2,
    'a cut to a faceless shot and back': 2,
    'a face leaves and enters': 2,
    'a face tilts to both sides': 1,
    'a face turns to half profile and back': 1,
    'a crowd of eight': 8,
    'nobody': 0,
}


@pytest.mark.parametrize('scene', scenes(), ids=lambda scene: scene.name)
def test_the_faces_of_a_scene_are_found_and_followed(scene):
    """With the real detector: none lost, none swapped with another, none invented."""
    score = score_tracks(scene, analyse(scene))
    visible = sum(whole for number in range(scene.length) for _, whole in scene.truth(number).values())
    assert score == TrackScore(visible, visible, 0, 0, 0, TABLE[scene.name])


def test_a_blurred_face_that_turns_aside_is_followed(monkeypatch):
    """Its score falls below what a new face needs."""
    scene = next(scene for scene in scenes() if 'half profile' in scene.name)
    sharp, rng = Scene.frame, np.random.default_rng(0)

    def blurred(scene, number):
        frame = cv2.GaussianBlur(sharp(scene, number), (0, 0), 1.5)
        return (frame + rng.normal(0, 5, frame.shape)).clip(0, 255).astype(np.uint8)

    monkeypatch.setattr(Scene, 'frame', blurred)
    assert score_tracks(scene, analyse(scene)) == TrackScore(50, 50, 0, 0, 0, 1)


def test_a_track_fills_its_shot_when_every_third_frame_is_searched():
    """From the first frame of a shot to its last, although neither is among those that are searched."""
    scene = next(scene for scene in scenes() if scene.cuts)
    still = scene.actors[0].place(0)
    actor = replace(scene.actors[0], place=lambda number: None if 14 <= number < 31 else still)
    analysis = analyse(replace(scene, length=45, cuts=(14, 31), actors=[actor]), detect_every=3)
    assert [(track.first, track.last) for track in analysis.tracks] == [(0, 12), (33, 42)]
    assert [(path.first, path.last) for paths in analysis.paths.values() for path in paths] == [(0, 13), (31, 44)]


def test_the_score_tells_lost_swapped_and_invented_faces():
    scene = scenes()[0]
    collins, hopper = ({number: actor.place(number) for number in range(scene.length)} for actor in scene.actors)

    def score(*tracks):
        tracks = [FaceTrack(index, track) for index, track in enumerate(tracks, 1)]
        video = VideoFacts(scene.name, scene.width, scene.height, scene.length, 25)
        return score_tracks(scene, Analysis(video, 'centerface', 1, 8, [], tracks))

    # Collins is behind Hopper for seventeen frames, and either may be followed or not meanwhile.
    assert score(collins, hopper) == TrackScore(83, 83, 0, 0, 0, 2)
    assert score(hopper) == TrackScore(83, 50, 33, 0, 0, 1)
    half = {number: (collins if number < 25 else hopper)[number] for number in range(50)}
    swapped = score(half)
    assert swapped.swapped == 1 and swapped.invented == 0
    nowhere = {number: replace(square, y=square.y + square.size) for number, square in collins.items()}
    assert score(nowhere) == TrackScore(83, 0, 83, 0, 50, 1)
