import cv2
import numpy as np
import pytest
import torch

from pgtf_basicsr.data.celebamask_dataset import PARTS, merge_parts
from pgtf_basicsr.faces.masks import FACE_LABELS, ellipse_mask, face_probability, parsing_mask, steady
from pgtf_basicsr.samples.portraits import FacePath, portraits
from pgtf_basicsr.samples.sample_masks import draw_masks

SIZE = 256


def labels(index=1):
    """Labels (64, 64) of a portrait, as aligned to the FFHQ template."""
    face = portraits()[index]
    path = FacePath(face.landmarks, SIZE, np.random.default_rng(0), 0, 0, 1, 0)
    masks = draw_masks(face.name, path, 0, SIZE)
    # The face takes two thirds of the frame's side.
    label = merge_parts(masks, (SIZE, SIZE))[43:213, 43:213]
    return cv2.resize(label, (64, 64), interpolation=cv2.INTER_NEAREST)


def test_pasted_parts_are_those_of_the_face():
    pasted = {PARTS[label - 1] for label in FACE_LABELS}
    assert set(PARTS) - pasted == {'eye_g', 'ear_r', 'neck', 'neck_l', 'cloth', 'hair', 'hat'}
