"""Faces restored in whole frames, with stand-ins for the network whose effect on each sample is known."""

from fractions import Fraction
from itertools import pairwise
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.faces.crop_paths import CropPath
from pgtf_basicsr.faces.transforms import transform_points
from pgtf_basicsr.restoration.faces import restoration
from pgtf_basicsr.restoration.faces.backgrounds import PlainBackground
from pgtf_basicsr.restoration.faces.restoration import NUM_CLASSES, FaceRestorer
from pgtf_basicsr.restoration.faces.windows import first_frame_for_faces
from pgtf_basicsr.samples.scenes import scenes
from pgtf_basicsr.video.chroma import LOCATIONS
from pgtf_basicsr.video.formats import BT709, VideoFormat
from pgtf_basicsr.video.frame import Frame

from ...helpers.small_networks import PGTFormer, build

WIDTH, HEIGHT, LENGTH = 320, 180, 8
LEFT = LOCATIONS['left']
EIGHT, TEN = VideoFormat(8, '420', chroma_location=LEFT), VideoFormat(10, '420', chroma_location=LEFT)
WIDE = Fraction(4, 3)
BACKGROUND, SKIN, GLASSES, HAIR = 0, 1, 6, 17


class Stand:
    """A network for windows of three frames that changes each crop by a function, and parses faces by another one."""

    num_frames = 3

    def __init__(self, change, parse):
        self._change, self._parse = change, parse

    def frame_features(self, frame):
        return SimpleNamespace(frame=frame, logits=self._parse(frame))

    def restore(self, features, output_frames):
        frames = torch.cat([feature.frame for feature in features]).unflatten(0, (-1, 3))
        features.clear()
        return self._change(frames)[:, output_frames]


def restore_faces(net, frames, paths, format, first=0, **options):
    """Restore frames in one thread."""
    restorer = FaceRestorer(net, paths, format, **options)
    return map(restorer.paste, restorer.restore(restorer.sample(frames, first), first))


@pytest.fixture
def restore(monkeypatch):
    """Restore frames along paths by a stand-in; returns the planes of each, as tuples of arrays."""
    net = build(PGTFormer)
    statistics = [value for name, value in net.parsing_net.named_buffers() if name.endswith('running_mean')]

    def restore(frames, paths, change=lambda crops: crops, format=EIGHT, parse=None, scale=1, first=0, **options):
        monkeypatch.setattr(restoration, 'stream', lambda net, **_: Stand(change, parse or (lambda _: None)))
        for value in statistics:
            value.fill_(parse is not None)
        begin = first_frame_for_faces(first, 3, options.get('stride', 1), options.get('batch_size', 1))
        restored = restore_faces(
            net,
            frames[begin:],
            paths,
            format,
            background=PlainBackground(scale),
            first=first,
            **{'size': 128, **options},
        )
        result = []
        for frame, source in zip(restored, frames[first:], strict=True):
            assert (frame.time, frame.duration) == (source.time, source.duration)
            assert frame.planes.format == format
            result.append(frame.planes.samples)
        return result

    return restore


def path_of(first, squares):
    """A path through squares (x, y, size, angle)."""
    columns = np.array(squares, float)
    return CropPath(first, columns[:, :2], columns[:, 2], columns[:, 3])


def moving(first=0, length=LENGTH, x=150.3, y=92.6, size=110, angle=0, speed=2.7):
    return path_of(first, [(x + speed * n, y + 0.4 * n, size + 0.3 * n, angle + 0.5 * n) for n in range(length)])


# Two that overlap, one at the edges, one that is turned, one of a single frame.
PATHS = [
    moving(),
    moving(2, 5, x=190, size=95, speed=-3.1),
    moving(x=12, y=170, size=90),
    moving(1, x=270, y=60, size=80, angle=28, length=4),
    moving(6, 1, x=60, y=40, size=70),
]


def frames_of(images):
    return [Frame(image, Fraction(number, 25), Fraction(1, 25)) for number, image in enumerate(images)]


def scene_frames(depth=8):
    """Two portraits that cross."""
    images = [scenes()[0].frame(10 + number) for number in range(LENGTH)]
    if depth > 8:
        noise = np.random.default_rng(0).integers(0, 257, images[0].shape)
        images = [np.minimum(image.astype(int) * 257 + noise, 65535).astype(np.uint16) for image in images]
    return frames_of(images)


def wave_frames(depth=8, width=WIDTH):
    """Waves of known values that move."""
    y, x = np.mgrid[:HEIGHT, :width].astype(float)
    images = []
    for number in range(LENGTH):
        waves = [np.sin(x / 23 + y / 31 + number / 5), np.cos(x / 29 - number / 6), np.sin(y / 19 - x / 40)]
        image = 0.5 + 0.2 * np.stack(waves, axis=-1)
        images.append(np.rint(image * (255 if depth == 8 else 65535)).astype(np.uint8 if depth == 8 else np.uint16))
    return frames_of(images)


def planes_of(frames, format):
    return [frame.planes(format).samples for frame in frames]


def grid(plane, format, aspect=1.0):
    """Coordinates (h, w, 2) of a plane's samples in square pixels of the frame."""
    height, width = plane.shape
    down, across = round(HEIGHT / height), round(WIDTH / width)
    y, x = np.mgrid[:height, :width].astype(float)
    x, y = across * x + (across - 1) * format.chroma_location.x, down * y + (down - 1) * format.chroma_location.y
    return np.stack([aspect * (x + 0.5) - 0.5, y], axis=-1)


def crop_places(plane, path, number, format, aspect=1.0):
    """Where in its crop, as fractions from -1/2 to 1/2 about the centre, the samples of a plane lie."""
    places = transform_points(grid(plane, format, aspect), path.matrix(number, 128))
    return (places + 0.5) / 128 - 0.5


@pytest.mark.parametrize(
    'format, aspect',
    [(EIGHT, 1), (TEN, 1), (EIGHT, WIDE), (VideoFormat(8, '422', full_range=True), 1), (VideoFormat(16, 'rgb'), 1)],
    ids=['8 bit', '10 bit', 'wide pixels', 'full range', 'rgb'],
)
def test_an_identity_network_changes_no_sample(restore, format, aspect):
    frames = scene_frames(format.depth)
    paths = [
        path_of(path.first, np.column_stack([path.centres * (aspect, 1), path.sizes, path.angles])) for path in PATHS
    ]
    for mask in ('ellipse', 'auto'):
        for matched in (True, False):
            restored = restore(
                frames,
                paths,
                format=format,
                parse=disc,
                mask=mask,
                match_colours=matched,
                pixel_aspect=Fraction(aspect),
            )
            for planes, expected in zip(restored, planes_of(frames, format), strict=True):
                assert all(map(np.array_equal, planes, expected))


@pytest.mark.parametrize('aspect', [Fraction(1), WIDE], ids=['square pixels', 'wide pixels'])
@pytest.mark.parametrize('format', [EIGHT, TEN], ids=['8 bit', '10 bit'])
@pytest.mark.parametrize('angle', [0, 33])
def test_what_a_network_changes_is_pasted_where_it_was_sampled(restore, format, aspect, angle):
    """A negative of a moving face, in the frame: what is displaced by half a pixel would differ from its own place."""
    frames = wave_frames(format.depth)
    path = moving(x=120 * float(aspect), size=130, angle=angle)
    restored = restore(
        frames, [path], lambda crops: 1 - crops, format, match_colours=False, mask='ellipse', pixel_aspect=aspect
    )
    largest = 255 if format.depth == 8 else 65535
    negatives = planes_of([frame._replace(image=largest - frame.image) for frame in frames], format)
    for number, (planes, negative, before) in enumerate(zip(restored, negatives, planes_of(frames, format))):
        for plane, expected, old in zip(planes, negative, before):
            x, y = np.moveaxis(crop_places(plane, path, number, format, float(aspect)), -1, 0)
            inside = np.hypot(x / 0.4, (y - 0.05) / 0.44) < 0.4
            outside = np.hypot(x / 0.4, (y - 0.05) / 0.44) > 1.05
            error = (plane.astype(float) - expected)[inside] / 2 ** (format.depth - 8)
            assert inside.sum() > 100 and 20 * np.log10(255 / np.sqrt(np.mean(error**2))) > 45
            assert np.array_equal(plane[outside], old[outside])


def disc(crop, noise=0.0, generator=None):
    """Logits of a face parsing that finds a disc of skin."""
    side = crop.shape[-1] // 8
    y, x = np.mgrid[:side, :side] / (side - 1) - 0.5
    skin = torch.from_numpy(np.hypot(x, y) < 0.33)
    logits = torch.zeros(1, NUM_CLASSES, side, side)
    logits[0, BACKGROUND], logits[0, SKIN] = 6.0 * ~skin, 6.0 * skin
    return logits + noise * torch.randn(logits.shape, generator=generator)


SHIFT = torch.tensor([0.2, -0.1, 0.12]).view(3, 1, 1)


@pytest.mark.parametrize('mask', ['ellipse', 'parsing'])
@pytest.mark.parametrize('aspect, angle', [(Fraction(1), 0), (Fraction(1), 40), (WIDE, 0)])
@pytest.mark.parametrize('size', [60, 130])
def test_a_shift_of_colours_shows_no_seam_and_is_matched(restore, mask, aspect, angle, size):
    """Over a plain ground, where the change is that of the mask."""
    format = VideoFormat(16, '420', chroma_location=LEFT)
    frames = frames_of([np.full((HEIGHT, WIDTH, 3), 30000, np.uint16)] * 3)
    path = moving(x=150 * float(aspect), size=size, angle=angle, length=3)
    options = dict(format=format, parse=disc, mask=mask, pixel_aspect=aspect)
    before = planes_of(frames, format)
    shift = [
        after.astype(float)[0, 0] - old[0, 0]
        for after, old in zip(
            planes_of(
                frames_of([np.rint(frames[0].image + 65535 * SHIFT.flatten().numpy()).astype(np.uint16)]), format
            )[0],
            before[0],
        )
    ]
    for number, planes in enumerate(
        restore(frames, [path], lambda crops: crops + SHIFT, match_colours=False, **options)
    ):
        for plane, old, whole in zip(planes, before[number], shift):
            change = (plane.astype(float) - old) / whole
            distance = np.abs(crop_places(plane, path, number, format, float(aspect))).max(axis=-1)
            assert change.max() > (0.9 if size > 100 else 0.3) and not change[distance > 0.5].any()
            # Of samples of chroma there is one for two pixels.
            pixels = round(WIDTH / plane.shape[1])
            assert max(np.abs(np.diff(change, axis=axis)).max() for axis in (0, 1)) / pixels < 0.1
    for planes in restore(frames, [path], lambda crops: crops + SHIFT, **options):
        assert all(np.abs(plane.astype(int) - old).max() <= 4 for plane, old in zip(planes, before[0]))


def test_the_mask_of_a_still_face_does_not_flicker(restore):
    """Its parsing is unsure from frame to frame; what is pasted is a constant, in proportion to the mask."""
    generator = torch.Generator().manual_seed(0)
    frames = frames_of([np.full((HEIGHT, WIDTH, 3), 30000, np.uint16)] * 16)
    path = path_of(0, [(160, 90, 170, 0)] * 16)
    restored = restore(
        frames,
        [path],
        lambda crops: crops + 0.2,
        VideoFormat(16, '444'),
        parse=lambda crop: disc(crop, 0.5, generator),
        size=512,
        match_colours=False,
    )
    changes = [planes[0].astype(float) - restored[0][0][0, 0] for planes in restored]
    assert changes[0].max() > 5000
    assert max(np.abs(after - old).sum() / old.sum() for old, after in pairwise(changes)) < 0.005


def test_hands_and_hair_stay_and_glasses_do_not(restore):
    """A face whose lower half, from the first frame, is hidden by what parsing takes for hair, and glasses above it."""

    def parse(crop):
        logits = torch.full((1, NUM_CLASSES, 16, 16), -6.0)
        logits[:, GLASSES, :8], logits[:, HAIR, 8:] = 6, 6
        return logits

    frames = frames_of([np.full((HEIGHT, WIDTH, 3), 120, np.uint8)] * 4)
    path = path_of(0, [(159.5, 89.5, 128, 0)] * 4)
    format = VideoFormat(8, '444')
    for planes, old in zip(
        restore(frames, [path], lambda crops: crops + 0.2, format, parse, match_colours=False), frames
    ):
        change = planes[0].astype(int) - old.planes(format).samples[0]
        assert change[60, 160] > 40 and not change[95:].any()


def test_a_restoration_that_begins_later_has_the_same_samples(restore):
    """Where masks are parsed, windows are blended and passes shared."""
    frames = wave_frames()

    def parse(crop):
        return disc(crop) * crop.mean()

    def change(crops):
        return crops.roll(1, 1)

    for options in (dict(stride=1, batch_size=1), dict(stride=2, batch_size=2)):
        whole = restore(frames, PATHS, change, parse=parse, **options)
        assert not all(map(np.array_equal, whole[5], frames[5].planes(EIGHT).samples))
        for first in (1, 5, 7):
            later = restore(frames, PATHS, change, parse=parse, first=first, **options)
            assert all(
                np.array_equal(*pair) for ours, theirs in zip(later, whole[first:]) for pair in zip(ours, theirs)
            )


def test_strength_and_frames_without_faces(restore):
    frames = scene_frames()
    paths = [moving(3, 2)]
    changes = []
    for strength in (0.0, 0.5, 1.0):
        restored = restore(frames, paths, lambda crops: crops * 0.8, match_colours=False, strength=strength)
        for number in (0, 1, 2, 5, 6, 7):
            assert all(map(np.array_equal, restored[number], frames[number].planes(EIGHT).samples))
        changes.append(restored[3][0].astype(int) - frames[3].planes(EIGHT).samples[0])
    none, half, whole = changes
    assert not none.any() and whole.min() < -15 and np.abs(whole - 2 * half).max() <= 2


def test_a_face_replaces_what_is_there_in_an_enlarged_frame(restore):
    """The network gives what the frame shows; it was enlarged otherwise around it."""
    frames = wave_frames()
    restored = restore(frames, PATHS, scale=2, match_colours=False)
    for planes, frame in zip(restored, frames):
        enlarged = cv2.resize(frame.image, (2 * WIDTH, 2 * HEIGHT), interpolation=cv2.INTER_CUBIC)
        for plane, expected in zip(planes, Frame(enlarged, 0, 0).planes(EIGHT).samples, strict=True):
            assert plane.shape == expected.shape
            assert np.sqrt(np.mean((plane.astype(float) - expected) ** 2)) < 1
    brighter = restore(frames, PATHS[:1], lambda crops: torch.ones_like(crops), scale=2, match_colours=False)
    x, y = 2 * PATHS[0].centres[0]
    assert brighter[0][0][round(y), round(x)] == 235


def test_masks_are_parsed_where_the_network_has_learnt_to(restore):
    frames, path = scene_frames()[:1], moving(length=1)
    with pytest.raises(UserError, match='mask cannot be parsing: the weights have no face parsing'):
        restore(frames, [path], mask='parsing')
    with pytest.raises(UserError, match='mask must be one of auto, parsing, ellipse, not round'):
        restore(frames, [path], mask='round')
    changed = [
        restore(frames, [path], lambda crops: 1 - crops, mask=mask, parse=parse)[0][0]
        for mask, parse in (('auto', None), ('ellipse', disc), ('auto', disc), ('parsing', disc))
    ]
    assert np.array_equal(changed[0], changed[1]) and np.array_equal(changed[2], changed[3])
    assert not np.array_equal(changed[0], changed[2])


def test_a_small_network_restores_faces_of_several_tracks():
    net, frames = build(PGTFormer), scene_frames()
    restored = list(
        restore_faces(net, frames, PATHS, EIGHT, background=PlainBackground(1), size=64, batch_size=3, stride=2)
    )
    assert len(restored) == LENGTH and all(frame.planes.format.color == BT709 for frame in restored)
    for frame, source in zip(restored, frames):
        assert not np.array_equal(frame.planes.samples[0], source.planes(EIGHT).samples[0])
