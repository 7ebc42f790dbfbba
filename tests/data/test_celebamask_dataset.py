"""Reading CelebAMask-HQ: files written here by hand, in the official layout."""

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from pgtf_basicsr.data import CelebAMaskHQDataset
from pgtf_basicsr.data.celebamask_dataset import PARTS, merge_parts
from pgtf_basicsr.errors import UserError

# As the networks that are trained on the data set number them.
LABELS = {
    'skin': 1,
    'l_brow': 2,
    'r_brow': 3,
    'l_eye': 4,
    'r_eye': 5,
    'eye_g': 6,
    'l_ear': 7,
    'r_ear': 8,
    'ear_r': 9,
    'nose': 10,
    'mouth': 11,
    'u_lip': 12,
    'l_lip': 13,
    'neck': 14,
    'neck_l': 15,
    'cloth': 16,
    'hair': 17,
    'hat': 18,
}


def write_picture(root, number, parts, image=None, size=32):
    """Parts {name: (y, x, height, width)} as masks of ``size`` pixels, and a picture of twice that."""
    folder = root / 'CelebAMask-HQ-mask-anno' / str(number // 2000)
    folder.mkdir(parents=True, exist_ok=True)
    (root / 'CelebA-HQ-img').mkdir(exist_ok=True)
    for name, (y, x, height, width) in parts.items():
        mask = np.zeros((size, size, 3), np.uint8)
        mask[y : y + height, x : x + width] = 255
        cv2.imwrite(str(folder / f'{number:05d}_{name}.png'), mask)
    if image is None:
        image = np.random.default_rng(number).integers(0, 256, (8, 8, 3), np.uint8)
        image = cv2.resize(image, (2 * size, 2 * size), interpolation=cv2.INTER_CUBIC)
    cv2.imwrite(str(root / 'CelebA-HQ-img' / f'{number}.jpg'), image)


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    """Pictures 0, 1, 1999 and 2000, with some of the parts each; tests must not change it."""
    root = tmp_path_factory.mktemp('CelebAMask-HQ')
    for number in (0, 1, 1999, 2000):
        write_picture(root, number, {'skin': (4, 4, 24, 24), 'l_eye': (10, 8 + number % 3, 3, 6), 'hat': (0, 2, 6, 28)})
    return root


def dataset(root, **options):
    return CelebAMaskHQDataset({'name': 'faces', 'phase': 'train', 'dataroot': str(root), 'size': 32, **options})


def same(first, second):
    return all(torch.equal(first[key], second[key]) for key in ('image', 'mask'))


def test_items(root):
    faces = dataset(root)
    assert len(faces) == 4
    item = faces[3]
    assert item['key'] == '2000'
    assert item['image'].shape == (3, 32, 32) and item['image'].dtype == torch.float32
    assert item['mask'].shape == (32, 32) and item['mask'].dtype == torch.int64
    assert item['image'].min() >= 0 and item['image'].max() <= 1
    # A mask of the wanted size stays as it is on disk.
    assert np.array_equal(item['mask'], merge_parts(root, 2000))


@pytest.mark.parametrize('part', PARTS)
def test_labels(tmp_path, part):
    write_picture(tmp_path, 5, {part: (3, 4, 5, 6)})
    mask = dataset(tmp_path)[0]['mask']
    assert len(PARTS) == 18 and mask[4, 5] == LABELS[part] and mask[0, 0] == 0
    assert (mask > 0).sum() == 30


def test_later_parts_cover_earlier_ones(tmp_path):
    write_picture(
        tmp_path,
        0,
        {
            'hat': (0, 0, 4, 32),
            'hair': (0, 0, 8, 32),
            'skin': (0, 0, 12, 32),
            'l_eye': (9, 4, 2, 8),
            'eye_g': (9, 8, 2, 8),
        },
    )
    mask = dataset(tmp_path)[0]['mask']
    assert [int(mask[y, 0]) for y in (0, 5, 8, 20)] == [18, 17, 1, 0]
    assert (int(mask[9, 5]), int(mask[9, 9])) == (4, 6)


def test_picture_and_mask_are_placed_alike(tmp_path):
    """A white square, labelled as skin, stays under its label wherever it is put."""
    # As grey as what comes in from outside of the picture.
    image = np.full((64, 64, 3), (132, 133, 135), np.uint8)
    image[24:48, 16:40] = 255
    for number in range(8):
        write_picture(tmp_path, number, {'skin': (12, 8, 12, 12)}, image)
    for size in (32, 48, 64):
        faces = dataset(
            tmp_path, size=size, use_hflip=True, placement={'offset': 0.2, 'scale': [0.7, 1.4], 'rotation': 40}
        )
        masks = []
        for item in faces:
            white, skin = item['image'].mean(0) > 0.76, item['mask'] == 1
            assert (white ^ skin).sum() <= 0.12 * skin.sum()
            centres = [torch.argwhere(pixels).double().mean(0) for pixels in (white, skin)]
            assert (centres[0] - centres[1]).abs().max() < 0.3
            masks.append(item['mask'])
        assert not torch.equal(masks[0], masks[1])


def test_mirrored_parts_change_sides(tmp_path):
    pairs = (('l_brow', 'r_brow'), ('l_eye', 'r_eye'), ('l_ear', 'r_ear'))
    parts = {name: (2 + 8 * row, column, 4, 5) for row, pair in enumerate(pairs) for name, column in zip(pair, (2, 22))}
    parts.update(u_lip=(27, 4, 2, 8), l_lip=(30, 4, 2, 8))
    for number in range(12):
        write_picture(tmp_path, number, parts)
    plain = dataset(tmp_path)[0]['mask']
    expected = plain.flip(1)
    for pair in pairs:
        left, right = (expected == LABELS[name] for name in pair)
        expected = torch.where(left, LABELS[pair[1]], torch.where(right, LABELS[pair[0]], expected))
    found = [item['mask'] for item in dataset(tmp_path, use_hflip=True)]
    mirrored = [not torch.equal(mask, plain) for mask in found]
    assert 0 < sum(mirrored) < 12
    assert all(torch.equal(mask, expected if flip else plain) for mask, flip in zip(found, mirrored))
    # Validation pictures are never mirrored.
    assert all(torch.equal(item['mask'], plain) for item in dataset(tmp_path, use_hflip=True, phase='val'))


DRAWS = {
    'use_hflip': True,
    'color_jitter': 0.5,
    'placement': {'offset': 0.1},
    'seed': 3,
    'degradation': {'sigma': [0.5, 1.5], 'scale': [2, 3]},
}


def test_draws_follow_from_seed_epoch_and_index(root):
    first, second = dataset(root, **DRAWS), dataset(root, **DRAWS)
    order = [2, 0, 2, 3]
    assert all(same(first[index], second[index]) for index in order)
    second.set_epoch(1)
    assert not same(first[0], second[0])
    assert not same(first[0], dataset(root, **{**DRAWS, 'seed': 4})[0])
    held_out = [dataset(root, **DRAWS, phase='val') for _ in range(2)]
    held_out[1].set_epoch(5)
    assert same(held_out[0][1], held_out[1][1])


def test_workers_give_the_same_items_and_hear_of_the_epoch(root):
    faces = dataset(root, **DRAWS)
    loader = DataLoader(faces, num_workers=2, persistent_workers=True)
    for epoch in (0, 1):
        faces.set_epoch(epoch)
        for item, batch in zip(faces, loader):
            assert torch.equal(item['image'], batch['image'][0]) and torch.equal(item['mask'], batch['mask'][0])


def test_colours_change_and_labels_do_not(root):
    plain, jittered = dataset(root)[0], dataset(root, color_jitter=0.5)[0]
    assert torch.equal(plain['mask'], jittered['mask']) and not torch.equal(plain['image'], jittered['image'])


def test_which_pictures_are_taken(root, tmp_path):
    assert [item['key'] for item in dataset(root, images=[1999, 2000])] == ['1999', '2000']
    (tmp_path / 'list.txt').write_text('2000\n0\n')
    assert [item['key'] for item in dataset(root, meta_info_file=str(tmp_path / 'list.txt'))] == ['2000', '0']
    with pytest.raises(UserError, match=r'1997 of 2000 images are missing, the first is .*CelebA-HQ-img/2\.jpg'):
        dataset(root, images=[0, 1999])
    (tmp_path / 'list.txt').write_text('2000\n../0\n')
    with pytest.raises(UserError, match=r"list\.txt: '\.\./0' should be the number"):
        dataset(root, meta_info_file=str(tmp_path / 'list.txt'))


@pytest.mark.parametrize(
    'options, complaint',
    [
        ({'size': 0}, 'size is 0'),
        ({'color_jitter': 2}, 'color_jitter is 2'),
        ({'use_hflip': 'yes'}, 'use_hflip'),
        ({'placement': {'scales': 2}}, 'placement.scales: there is no such option; did you mean scale'),
        ({'images': [3, 1]}, 'images is'),
        ({'degradation': {'resize_back': False}}, 'degradation.resize_back is false'),
        ({'degradation': {'variant': 'vfqh'}}, 'dataset faces: degradation.variant is'),
        ({'phase': 'dev'}, 'phase'),
        ({'dataroot': '/nowhere'}, 'no folder /nowhere/CelebA-HQ-img'),
        ({'seed': -1}, 'seed is -1'),
    ],
)
def test_impossible_options_are_named(root, options, complaint):
    with pytest.raises(UserError, match=complaint):
        dataset(**{'root': root, **options}) if 'dataroot' not in options else CelebAMaskHQDataset(options)


def test_broken_files_are_named(tmp_path):
    masks = tmp_path / 'CelebAMask-HQ-mask-anno/0'
    for number in range(4):
        write_picture(tmp_path, number, {'skin': (4, 4, 9, 9), 'hair': (0, 0, 4, 9)})
    (masks / '00000_hair.png').write_bytes((masks / '00000_hair.png').read_bytes()[:40])
    write_picture(tmp_path, 1, {'nose': (4, 4, 9, 9)}, size=16)
    for path in masks.glob('00002_*'):
        path.unlink()
    (tmp_path / 'CelebA-HQ-img/3.jpg').write_bytes(b'')
    faces = dataset(tmp_path)
    for index, complaint in enumerate(
        (
            r'00000_hair\.png .* not a whole image',
            r'00001_(hair|nose)\.png: is (32 x 32|16 x 16) pixels, but',
            r'image 2 has no masks.*00002_<part>\.png',
            r'3\.jpg \(0 bytes\) is not a whole image',
        )
    ):
        with pytest.raises(UserError, match=complaint):
            faces[index]
