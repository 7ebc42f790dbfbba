"""LMD, TLME and jitter on constructed paths, and on faces that move along a known one."""

import numpy as np
import pytest
import torch
from basicsr.metrics import calculate_metric, calculate_psnr
from facexlib.alignment import FAN

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.faces.landmarks import AwingLandmarks, heatmap_peaks, landmark_backend
from pgtf_basicsr.metrics import (
    LandmarkDistance,
    LandmarkJitter,
    LandmarkMotionError,
    calculate_landmark_jitter,
    calculate_lmd,
    calculate_tlme,
    landmark_distance,
    landmark_jitter,
    landmark_motion_error,
)

from ..helpers.portraits import FRAMES, SIZE, blurred, displaced, jittering, known_landmarks, moving_portrait, noisy

OFFSET = np.array([3.0, 4.0])
# Two points; the face goes 2 pixels to the right every frame.
STEADY = np.array([[[2.0 * t, 0], [2.0 * t, 10]] for t in range(5)])
FLIP = np.array([1, -1, 1, -1, 1.0])[:, None, None]


class Known:
    """A backend that knows where the landmarks are: each frame's first pixel tells its place in the path."""

    def __init__(self, path):
        self._path = path

    def locate(self, frame):
        return self._path[frame[0, 0, 0]]


def frames(first, count, size=512):
    """Frames that stand for the places first, first + 1, … of a path."""
    clip = np.zeros((count, size, size, 3), np.uint8)
    clip[:, 0, 0, 0] = range(first, first + count)
    return clip


def accumulated(accumulator, *clips):
    for pair in zip(*clips):
        accumulator.update(*pair)
    return accumulator.compute()


def test_distance_by_hand():
    assert landmark_distance(STEADY + OFFSET, STEADY) == 5
    assert landmark_distance(STEADY * [1, 1.5], STEADY) == pytest.approx(2.5)


def test_motion_error_by_hand():
    assert landmark_motion_error(STEADY + OFFSET, STEADY) == 0
    # From +5 to −5 and back: each step is wrong by 10.
    trembling = STEADY + FLIP * OFFSET
    assert landmark_motion_error(trembling, STEADY) == pytest.approx(10)
    assert landmark_motion_error(STEADY * 3, STEADY) == pytest.approx(4)
    # The largest it can be.
    assert landmark_motion_error(trembling, STEADY) == pytest.approx(2 * landmark_distance(trembling, STEADY))


def test_jitter_by_hand():
    assert landmark_jitter(STEADY) == 0
    accelerated = np.array([[[t * t * 1.5, t * t * 2.0]] for t in range(6)])
    assert landmark_jitter(accelerated) == pytest.approx(5)
    assert landmark_jitter(STEADY + FLIP * OFFSET) == pytest.approx(20)


def test_frame_by_frame_is_the_same():
    path = np.concatenate([STEADY + FLIP * OFFSET, STEADY])
    backend = Known(path)
    clips = frames(0, 5), frames(5, 5)
    assert accumulated(LandmarkDistance(backend), *clips) == pytest.approx(5)
    assert accumulated(LandmarkMotionError(backend), *clips) == pytest.approx(10)
    assert accumulated(LandmarkJitter(backend), clips[0]) == pytest.approx(20)
    # Other sizes count as if they had 512 pixels.
    assert accumulated(LandmarkDistance(backend), frames(0, 5, 64), frames(5, 5, 64)) == pytest.approx(5 * 8)


def test_frames_without_a_face_are_skipped_and_reported(caplog):
    path = [*(STEADY + OFFSET), *STEADY]
    path[2] = None
    backend, clips = Known(path), (frames(0, 5), frames(5, 5))
    assert accumulated(LandmarkDistance(backend), *clips) == 5
    assert 'LMD: no face was found 1 times, 4 values remain' in caplog.text
    assert accumulated(LandmarkMotionError(backend), *clips) == 0
    assert 'TLME: no face was found 2 times, 2 values remain' in caplog.text
    assert np.isnan(accumulated(LandmarkJitter(backend), clips[0]))
    assert accumulated(LandmarkJitter(backend), clips[1]) == 0


def test_heat_map_peaks_by_hand():
    heatmaps = np.zeros((4, 6, 8))
    heatmaps[0, 2, 3], heatmaps[0, 2, 4], heatmaps[0, 1, 3] = 9, 5, 4
    heatmaps[1, 4, 6], heatmaps[1, 4, 5] = 9, 1
    heatmaps[2, 0, 0], heatmaps[2, 0, 1], heatmaps[2, 1, 0] = 9, 5, 5
    heatmaps[3, 5, 7] = 9
    assert heatmap_peaks(heatmaps).tolist() == [[3.25, 1.75], [5.75, 4], [0, 0], [7, 5]]


@pytest.fixture(scope='module')
def awing_file(tmp_path_factory):
    """A file as facexlib's, its weights drawn from a seed."""
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('awing') / 'awing.pth'
    torch.save({'state_dict': FAN(num_modules=4, num_landmarks=98, device='cpu').state_dict()}, path)
    return path


def test_awing_network_from_a_file(awing_file):
    clip, _ = moving_portrait()
    backend = landmark_backend('awing', str(awing_file), 'cpu')
    assert backend is landmark_backend('awing', str(awing_file), 'cpu')
    found = backend.locate(np.kron(clip[0, :128, :128], np.ones((4, 4, 1), np.uint8)))
    assert found.shape == (98, 2) and found.min() >= 0 and found.max() <= 511

    image = torch.from_numpy(np.kron(clip[0, :128, :128], np.ones((2, 2, 1)))).float().permute(2, 0, 1)[None] / 255
    with torch.inference_mode():
        heatmaps = backend._net(image)[0][-1][0, :98]
    y, x = np.divmod(heatmaps.flatten(1).argmax(dim=1).numpy(), 64)
    # A pixel of a heat map is eight of the frame.
    assert np.abs(found - (np.stack([x, y], axis=1) * 8 + 3.5)).max() <= 2
    assert AwingLandmarks.label.of_paper


def test_another_networks_file_is_refused(tmp_path):
    path = tmp_path / 'other.pth'
    torch.save({'weight': torch.zeros(1)}, path)
    with pytest.raises(UserError, match='other.pth cannot be loaded into FAN'):
        landmark_backend('awing', str(path), 'cpu')


def test_centerface_follows_a_known_path():
    clip, _ = moving_portrait()
    found = np.array([landmark_backend('centerface').locate(frame) for frame in clip])
    known = known_landmarks()
    assert found.shape == (FRAMES, 5, 2)
    assert landmark_distance(found, known) < 0.03 * SIZE
    assert landmark_motion_error(found, known) < 0.005 * SIZE


def test_identical_clips_are_perfect():
    clip, _ = moving_portrait()
    assert calculate_lmd(clip, clip, landmarks='centerface') == 0
    assert calculate_tlme(clip, clip, landmarks='centerface') == 0
    assert calculate_landmark_jitter(clip[[0, 0, 0]], landmarks='centerface') == 0


@pytest.mark.parametrize(
    'metric, distortion, strengths',
    [
        (calculate_lmd, blurred, (1, 3)),
        (calculate_lmd, noisy, (8, 32)),
        (calculate_lmd, jittering, (1, 4)),
        # Blur moves no landmark: what remains is the backend's own trembling.
        (calculate_tlme, noisy, (8, 32)),
        (calculate_tlme, jittering, (1, 4)),
    ],
)
def test_worse_with_every_step(metric, distortion, strengths):
    clip, _ = moving_portrait()
    scores = [metric(distortion(clip[:4], strength), clip[:4], landmarks='centerface') for strength in strengths]
    assert 0 < scores[0] < scores[1], scores


@pytest.mark.parametrize('metric', [landmark_distance, landmark_motion_error])
def test_exact_landmarks_get_worse_with_every_step(metric):
    known = known_landmarks()
    wrong = np.random.default_rng(0).normal(size=known.shape)
    scores = [metric(known + strength * wrong, known) for strength in (0, 0.1, 0.2, 0.4, 0.8)]
    assert scores[0] == 0 and scores == sorted(scores)
    assert scores[2:] == pytest.approx([2 * score for score in scores[1:-1]])


def test_jitter_counts_where_psnr_sees_no_difference():
    clip, _ = moving_portrait()
    steady, trembling = displaced(clip, 3), jittering(clip, 3)
    psnr = [np.mean([calculate_psnr(a, b, 0) for a, b in zip(moved, clip)]) for moved in (steady, trembling)]
    assert abs(psnr[0] - psnr[1]) < 1.5
    for metric in (calculate_tlme, calculate_landmark_jitter):
        scores = [
            calculate_metric({'img': moved, 'img2': clip}, {'type': metric.__name__, 'landmarks': 'centerface'})
            for moved in (steady, trembling)
        ]
        assert scores[1] > 2 * scores[0], (metric, scores)


def test_a_frame_alone_and_bgr():
    clip, _ = moving_portrait()
    restored, gt = jittering(clip, 3)[1], clip[1]
    expected = calculate_lmd(restored, gt, landmarks='centerface', channel_order='rgb')
    assert calculate_lmd(restored[..., ::-1], gt[..., ::-1], landmarks='centerface') == expected
    with pytest.raises(ValueError, match='T of 2 or more'):
        calculate_tlme(restored, gt, landmarks='centerface')
    with pytest.raises(ValueError, match='T of 3 or more'):
        calculate_landmark_jitter(clip[:2], landmarks='centerface')


def test_dlib_follows_a_known_path():
    pytest.importorskip('dlib', reason='extra offline-metrics')
    clip, _ = moving_portrait()
    backend = landmark_backend('dlib')
    found = np.array([backend.locate(frame) for frame in clip])
    assert found.shape == (FRAMES, 68, 2) and not backend.label.of_paper
    # Middles of the eyes' landmarks, tip of the nose, corners of the mouth.
    five = np.stack(
        [found[:, 36:42].mean(axis=1), found[:, 42:48].mean(axis=1), found[:, 30], found[:, 48], found[:, 54]], axis=1
    )
    assert landmark_distance(five, known_landmarks()) < 0.02 * SIZE
    assert landmark_motion_error(five, known_landmarks()) < 0.001 * SIZE
