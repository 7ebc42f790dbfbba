import numpy as np
import pytest
import torch

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.images import read_image, round_to, to_image, to_tensor, write_image


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (20, 24, 3), dtype=np.uint8)


def test_png_images_survive_writing_and_reading(tmp_path, image):
    write_image(tmp_path / '0.png', image)
    assert np.array_equal(read_image(tmp_path / '0.png'), image)


@pytest.mark.parametrize('suffix', ['png', 'jpg'])
@pytest.mark.parametrize('share', [0, 0.5, 0.98])
def test_a_truncated_image_is_named(tmp_path, image, suffix, share):
    path = tmp_path / f'00000007.{suffix}'
    write_image(path, image)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(UserError, match=f'00000007.{suffix}'):
        read_image(path)


def test_conversions_agree_and_return_every_image(image):
    assert torch.equal(to_tensor(image), torch.from_numpy(image).permute(2, 0, 1) / 255)
    assert np.array_equal(to_image(to_tensor(image)), image)
    values = np.random.default_rng(1).uniform(-0.2, 1.2, (20, 24, 3)).astype(np.float32)
    assert np.array_equal(round_to(values, np.dtype(np.uint8)), to_image(torch.from_numpy(values).permute(2, 0, 1)))
