from fractions import Fraction

import cv2
import numpy as np
import pytest

from pgtf_basicsr.errors import DataError
from pgtf_basicsr.images import write_image
from pgtf_basicsr.video.formats import ALPHA_NOTE
from pgtf_basicsr.video.image_folder import ImageFolderReader


def write_images(folder, names, dtype=np.uint8):
    """Write an image a name, each of the colour of its place in the list: (place, 2 * place, 3 * place)."""
    for place, name in enumerate(names):
        image = np.full((12, 16, 3), (3 * place, 2 * place, place), dtype)  # OpenCV's order
        assert cv2.imwrite(str(folder / name), image)


@pytest.mark.parametrize(
    'names',
    [
        ['frame1.png', 'frame2.png', 'frame10.png', 'frame100.png'],
        ['00000001.png', '00000002.jpg', '00000010.PNG'],
        ['a 2 b 9.png', 'a 2 b 10.png', 'a 10 b 1.png', 'b.png'],
    ],
)
def test_images_are_frames_in_natural_order(tmp_path, names):
    write_images(tmp_path, names)
    with ImageFolderReader(tmp_path, Fraction(24)) as reader:
        frames = list(reader)
    assert [round(float(frame.image.mean()) / 2) for frame in frames] == list(range(len(names)))
    assert [frame.time for frame in frames] == [Fraction(index, 24) for index in range(len(names))]
    assert (reader.width, reader.height, reader.num_frames, reader.rate) == (16, 12, len(names), 24)


def test_what_macos_and_jupyter_leave_is_no_frame(tmp_path):
    write_images(tmp_path, ['1.png', '2.png'])
    for name in ('._1.png', '.DS_Store', 'Thumbs.db', '.3.partial-7.png'):
        (tmp_path / name).write_bytes(b'Mac OS X')
    for name in ('.ipynb_checkpoints', '__MACOSX', 'folder.png'):
        (tmp_path / name).mkdir()
        (tmp_path / name / '1.png').write_bytes(b'')
    with ImageFolderReader(tmp_path) as reader:
        assert len(list(reader)) == 2


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_a_round_trip_keeps_every_bit(tmp_path, dtype):
    generator = np.random.default_rng(0)
    images = [generator.integers(0, np.iinfo(dtype).max, (12, 16, 3), dtype, endpoint=True) for _ in range(3)]
    for number, image in enumerate(images):
        write_image(tmp_path / f'{number}.png', image)
    stored = cv2.imread(str(tmp_path / '1.png'), cv2.IMREAD_UNCHANGED)
    assert stored.dtype == dtype and (stored[..., ::-1] == images[1]).all()
    with ImageFolderReader(tmp_path) as reader:
        assert reader.format.depth == 8 * np.dtype(dtype).itemsize
        assert all((frame.image == image).all() for frame, image in zip(reader, images))


@pytest.mark.parametrize('channels', [1, 3, 4])
@pytest.mark.parametrize('dtype', [np.uint8, np.uint16])
def test_alpha_is_named_before_the_first_frame(tmp_path, dtype, channels):
    image = np.full((12, 16, channels), 50, dtype)
    assert cv2.imwrite(str(tmp_path / '1.png'), image)
    with ImageFolderReader(tmp_path) as reader:
        assert reader.warnings == ([ALPHA_NOTE] if channels == 4 else [])
        (frame,) = reader
    assert frame.image.dtype == dtype and (frame.image == 50).all()


def test_mistakes_are_named(tmp_path):
    with pytest.raises(DataError, match='has no images'):
        ImageFolderReader(tmp_path)
    write_images(tmp_path, ['1.png', '2.png'])
    cv2.imwrite(str(tmp_path / '3.png'), np.zeros((24, 16, 3), np.uint8))
    with pytest.raises(DataError, match=r'3.png is 16x24, the images before it are 16x12'):
        list(ImageFolderReader(tmp_path))
    (tmp_path / '2.png').write_bytes((tmp_path / '2.png').read_bytes()[:30])
    with pytest.raises(DataError, match=r'2.png .* is not a whole image'):
        list(ImageFolderReader(tmp_path))
