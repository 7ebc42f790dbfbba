"""The portraits' parts, where they lie and how they are written."""

import hashlib

import cv2
import numpy as np
import pytest

from pgtf_basicsr.data import CelebAMaskHQDataset
from pgtf_basicsr.data.celebamask_dataset import PARTS, merge_parts
from pgtf_basicsr.errors import UserError
from pgtf_basicsr.samples.outlines import OUTLINES
from pgtf_basicsr.samples.portraits import FacePath, portraits
from pgtf_basicsr.samples.sample_masks import draw_masks, write_sample_masks

SMALL = {'images': 2, 'test_images': 2, 'image_size': 96}


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    root = tmp_path_factory.mktemp('sample') / 'parsing'
    summary = write_sample_masks(root, **SMALL)
    assert (summary.root, summary.train_images, summary.test_images) == (root, 2, 2)
    return root


def test_it_is_read_as_celebamask_hq(root):
    for split in ('train', 'test'):
        faces = CelebAMaskHQDataset({'phase': 'val', 'dataroot': root / split, 'size': 48})
        assert len(faces) == 2
        collins, hopper = ({PARTS[label - 1] for label in item['mask'].unique().tolist() if label} for item in faces)
        assert collins >= {'skin', 'l_eye', 'r_eye', 'nose', 'u_lip', 'l_lip', 'neck', 'cloth', 'hair'}
        assert hopper >= {'skin', 'eye_g', 'nose', 'l_ear', 'r_ear', 'neck', 'cloth', 'hat'}
        assert 'hat' not in collins and not {'l_eye', 'r_eye', 'mouth'} & hopper
    image = cv2.imread(str(root / 'train/CelebA-HQ-img/0.jpg'))
    assert image.shape == (96, 96, 3) and merge_parts(root / 'train', 0).shape == (48, 48)


def test_the_same_seed_gives_the_same_files(root, tmp_path):
    def digests(folder):
        return {
            path.relative_to(folder): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in folder.rglob('*')
            if path.is_file()
        }

    write_sample_masks(tmp_path / 'again', **SMALL)
    assert digests(tmp_path / 'again') == digests(root)
    images = [path.read_bytes() for path in root.rglob('*.jpg')]
    assert len(set(images)) == 4


@pytest.mark.parametrize(
    'index, points',
    [
        (0, {'l_eye': (203.4, 100.8), 'r_eye': (246.8, 103.0), 'nose': (225, 125)}),
        (1, {'l_eye': (223, 190), 'r_eye': (307, 186), 'nose': (268, 237.5)}),
    ],
)
def test_outlines_hold_the_landmarks(index, points):
    """The landmarks of the same portraits were marked for themselves."""
    face = portraits()[index]
    assert np.allclose(face.landmarks[:3], list(points.values()))
    for part, point in points.items():
        assert any(cv2.pointPolygonTest(np.float32(polygon), point, False) > 0 for polygon in OUTLINES[face.name][part])
    lips = np.concatenate([OUTLINES[face.name][part][0] for part in ('u_lip', 'l_lip')])
    for corner, end in zip(face.landmarks[3:], (lips[lips[:, 0].argmin()], lips[lips[:, 0].argmax()])):
        assert np.abs(corner - end).max() < 0.1 * np.ptp(lips[:, 0])


def test_masks_lie_where_the_portrait_shows_the_part():
    """An outline painted on the photograph appears in the image where its mask says."""
    face = portraits()[0]
    path = FacePath(face.landmarks, 128, np.random.default_rng(1), deformation=0.05, shift=0.08, rotation=10)
    masks = draw_masks(face.name, path, 0.3, 64)
    for part in ('skin', 'mouth', 'hair'):
        photo = np.zeros_like(face.photo)
        for polygon in OUTLINES[face.name][part]:
            cv2.fillPoly(photo, [np.rint(polygon).astype(np.int32)], (255, 255, 255))
        seen = cv2.resize(path.render(photo, 0.3)[..., 0], (64, 64), interpolation=cv2.INTER_AREA) > 127
        # Half a pixel along the border, at the most.
        border = cv2.morphologyEx(masks[part].astype(np.uint8), cv2.MORPH_GRADIENT, np.ones((3, 3), np.uint8)).sum()
        assert (seen ^ masks[part]).sum() <= 0.25 * border


@pytest.mark.parametrize('options', [{'images': 0}, {'image_size': 97}, {'test_images': 1.5}])
def test_impossible_numbers_are_named(tmp_path, options):
    with pytest.raises(UserError, match=next(iter(options))):
        write_sample_masks(tmp_path / 'data', **{**SMALL, **options})
