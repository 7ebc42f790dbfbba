from functools import cache
from itertools import pairwise

import cv2
import numpy as np
import pytest
import torch

from pgtf_basicsr.data.celebamask_dataset import NUM_CLASSES, PARTS
from pgtf_basicsr.faces.masks import FACE_LABELS, ellipse_mask, face_probability, parsing_mask, steady
from pgtf_basicsr.samples.portraits import FacePath, portraits
from pgtf_basicsr.samples.sample_masks import draw_masks

SIZE = 256
HAIR, GLASSES, SKIN = (1 + PARTS.index(part) for part in ('hair', 'eye_g', 'skin'))


@cache
def labels():
    """Labels (SIZE, SIZE) of a portrait with glasses, as aligned to the FFHQ template."""
    face = portraits()[1]
    whole = 3 * SIZE // 2  # the aligned face takes two thirds
    path = FacePath(face.landmarks, whole, np.random.default_rng(0), 0, 0, 1, 0)
    merged = np.zeros((whole, whole), np.uint8)
    for label, part in enumerate(PARTS, 1):
        mask = draw_masks(face.name, path, 0, whole).get(part)
        if mask is not None:
            merged[mask] = label
    return merged[SIZE // 4 : -SIZE // 4, SIZE // 4 : -SIZE // 4]


def logits_of(label, noise=0.0, rng=None):
    """Logits (19, SIZE, SIZE) as BiSeNet gives them: computed at 64 x 64 and enlarged."""
    coarse = cv2.resize(label, (64, 64), interpolation=cv2.INTER_NEAREST)
    logits = 6 * np.eye(NUM_CLASSES, dtype=np.float32)[coarse]
    if noise:
        logits += rng.normal(0, noise, logits.shape).astype(np.float32)
    return torch.from_numpy(np.stack([cv2.resize(plane, (SIZE, SIZE)) for plane in np.moveaxis(logits, -1, 0)]))


def test_pasted_parts_are_those_of_the_face():
    pasted = {PARTS[label - 1] for label in FACE_LABELS}
    assert set(PARTS) - pasted == {'ear_r', 'neck', 'neck_l', 'cloth', 'hair', 'hat'}


@pytest.mark.parametrize('scale', [0.5, 1, 4])
def test_an_ellipse_lies_on_the_face_and_ends_within_the_crop(scale):
    mask = ellipse_mask(SIZE, scale)
    face = np.isin(labels(), [1 + PARTS.index(part) for part in ('l_eye', 'r_eye', 'nose', 'mouth', 'u_lip', 'l_lip')])
    assert mask.shape == (SIZE, SIZE) and mask.dtype == np.float32 and mask.min() == 0 and mask.max() == 1
    assert mask[face].min() > (0.9 if scale < 4 else 0.4)
    assert not any(edge.any() for edge in (mask[:2], mask[-2:], mask[:, :2], mask[:, -2:]))
    assert max(np.abs(np.diff(mask, axis=axis)).max() for axis in (0, 1)) <= 0.1 / scale


def test_what_is_before_a_face_is_left_as_it_is():
    label = labels().copy()
    label[150:, 100:135] = 0  # a finger
    mask = parsing_mask(face_probability(logits_of(label)).numpy(), 1)
    face = np.isin(label, FACE_LABELS).astype(np.uint8)
    for before in (HAIR, 0):
        deep = cv2.erode((label == before).astype(np.uint8), np.ones((9, 9))) == 1
        assert deep.sum() > 100 and not mask[deep].any()
    # Eyes behind glasses have no other label.
    glasses = cv2.erode((label == GLASSES).astype(np.uint8), np.ones((9, 9))) == 1
    assert glasses.sum() > 100 and mask[glasses].mean() > 0.9
    assert mask[face == 0].mean() < 0.005
    assert mask[cv2.erode(face, np.ones((31, 31))) == 1].min() > 0.9
    assert not any(edge.any() for edge in (mask[0], mask[-1], mask[:, 0], mask[:, -1]))
    assert max(np.abs(np.diff(mask, axis=axis)).max() for axis in (0, 1)) <= 0.1


def test_the_mask_of_a_still_face_does_not_flicker():
    """Labels that a network is unsure of change from frame to frame along their borders, and so would the mask."""
    label, rng = labels(), np.random.default_rng(0)
    probabilities = [face_probability(logits_of(label, noise=0.5, rng=rng)).numpy() for _ in range(20)]
    changes = {}
    for name, frames in (('as parsed', probabilities), ('steady', list(steady(probabilities)))):
        masks = [parsing_mask(frame, 1) for frame in frames]
        changes[name] = max(np.abs(after - before).sum() / before.sum() for before, after in pairwise(masks))
    assert len(masks) == 20 and changes['steady'] < 0.005 < changes['as parsed']


def test_steadying_does_not_lag():
    """A hand that moves across a face is left as it is in each frame; afterwards the face is whole again."""
    frames = [np.ones((8, 40), np.float32) for _ in range(30)]
    for index in range(8, 21):
        frames[index][:, 2 * index - 14 : 2 * index - 9] = 0
    steadied = list(steady(iter(frames)))
    assert len(steadied) == len(frames)
    assert all((after <= before).all() for before, after in zip(frames, steadied))
    assert all(np.abs(after - before).max() <= 0.2 + 1e-6 for before, after in pairwise(steadied))
    assert steadied[0].min() == 1 and steadied[-1].min() == 1
    # Both ways in time are alike.
    assert all(np.allclose(one, other) for one, other in zip(steadied, list(steady(frames[::-1]))[::-1]))
    assert [len(list(steady(frames[:count]))) for count in range(4)] == [0, 1, 2, 3]
