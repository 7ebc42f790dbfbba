"""Windows of several faces in shared passes, against the stream of each face's crops alone."""

import weakref
from collections import Counter
from itertools import islice
from typing import NamedTuple

import pytest
import torch

from pgtf_basicsr.archs import PGTFormer
from pgtf_basicsr.archs.inference import stream
from pgtf_basicsr.restoration.faces.windows import faces_in_view, first_frame_for_faces, restore_crops
from pgtf_basicsr.restoration.streaming import restore_frames

from ...helpers.small_networks import SWIN_PGTFORMER

LENGTH = 13


class Span(NamedTuple):
    first: int
    last: int

    @property
    def numbers(self):
        return range(self.first, self.last + 1)


# Of 1, 2, 3, 7, 5 and 1 frames, some of which begin or end together, and one that begins where another one ends.
SPANS = [Span(0, 0), Span(1, 2), Span(0, 2), Span(1, 7), Span(8, 12), Span(12, 12)]


class Stand:
    """A network for windows of T frames: its result for a frame is the mean of its window and that frame's own."""

    def __init__(self, num_frames=3):
        self.num_frames = num_frames
        self.alive, self.most, self.passes = weakref.WeakSet(), 0, []

    def frame_features(self, frame):
        self.alive.add(feature := frame.clone())
        self.most = max(self.most, len(self.alive))
        return feature

    def restore(self, features, output_frames):
        windows = torch.cat(features).unflatten(0, (-1, self.num_frames))
        self.passes.append(len(windows))
        features.clear()
        return ((windows + windows.mean(1, keepdim=True)) / 2)[:, output_frames]


def crops_of(spans, side=32):
    generator = torch.Generator().manual_seed(0)
    return [{number: torch.rand(3, side, side, generator=generator) for number in span.numbers} for span in spans]


def by_frame(crops, begin=0, end=LENGTH):
    return ({index: each[number] for index, each in enumerate(crops) if number in each} for number in range(begin, end))


def check(results, expected, first=0, begin=0):
    """Check that restored crops are those expected, as {index of the face: {number: crop}}; their greatest error."""
    worst, count = 0.0, 0
    for number, result in enumerate(results, begin):
        count += 1
        faces = [index for index, each in enumerate(expected) if number in each and number >= first]
        assert sorted(result.images) == faces
        for index, image in result.images.items():
            worst = max(worst, (image - expected[index][number]).abs().max().item())
    assert count == LENGTH - begin
    return worst


@pytest.fixture(scope='module')
def net():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = PGTFormer(**SWIN_PGTFORMER).eval()
        for parameter in net.regulators.parameters():
            torch.nn.init.normal_(parameter, std=0.05)
    return net


@pytest.mark.parametrize('stride', [1, 2, 3])
def test_each_face_is_restored_as_if_it_were_alone(net, stride):
    crops = crops_of(SPANS)
    expected = [dict(zip(each, restore_frames(net, each.values(), stride))) for each in crops]
    for batch_size in (1, 3, 4):
        results = restore_crops(stream(net), by_frame(crops), SPANS, stride, batch_size)
        assert check(results, expected) <= (0 if batch_size == 1 else 1e-5)


@pytest.mark.parametrize('stride', [1, 2])
def test_a_restoration_that_begins_later_has_the_same_bits(net, stride):
    batch_size = 3
    crops = crops_of(SPANS)
    whole = list(restore_crops(stream(net), by_frame(crops), SPANS, stride, batch_size))
    expected = [{number: whole[number].images[index] for number in span.numbers} for index, span in enumerate(SPANS)]
    for first in (8, 10):
        begin = first_frame_for_faces(first, net.num_frames, stride, batch_size)
        results = restore_crops(stream(net), by_frame(crops, begin), SPANS, stride, batch_size, first=first)
        assert check(results, expected, first, begin) == 0


@pytest.mark.parametrize('num_frames, stride', [(3, 1), (3, 2), (5, 1), (5, 3), (5, 5)])
@pytest.mark.parametrize('batch_size', [1, 4])
def test_passes_are_the_same_when_it_begins_later(num_frames, stride, batch_size):
    """In networks with other numbers of frames, and of a face much longer than a window, at every first frame."""
    spans = [Span(0, 59), Span(3, 31), Span(40, 41)]
    crops = crops_of(spans, 1)

    def passes(first):
        net = Stand(num_frames)
        begin = first_frame_for_faces(first, num_frames, stride, batch_size)
        results = list(restore_crops(net, by_frame(crops, begin, 60), spans, stride, batch_size, first=first))
        return net.passes, [result.images for result in results[first - begin :]]

    every_pass, whole = passes(0)
    for first in range(1, 60):
        later, images = passes(first)
        assert later == every_pass[-len(later) :]
        for ours, theirs in zip(images, whole[first:], strict=True):
            assert all(torch.equal(ours[index], theirs[index]) for index in theirs)


@pytest.mark.parametrize('stride', [1, 2, 3])
def test_crops_of_one_shot_are_in_no_window_of_another(stride):
    """Three shots, each of one colour: a face of any other would mix."""
    spans = [Span(0, 4), Span(5, 6), Span(7, 12)]
    crops = [
        {number: torch.full((3, 2, 2), float(index)) for number in span.numbers} for index, span in enumerate(spans)
    ]
    for batch_size in (1, 4):
        assert check(restore_crops(Stand(), by_frame(crops), spans, stride, batch_size), crops) == 0


@pytest.mark.parametrize('stride, batch_size', [(1, 1), (1, 4), (2, 2), (3, 4)])
def test_what_is_held_at_once_does_not_grow_with_the_video(stride, batch_size):
    def most(length):
        """Features, and frames that are taken before their results are given, at most."""
        net, taken, ahead = Stand(), Counter(), 0
        # Faces all the time, and seconds without one.
        spans = [Span(begin, begin + 24) for begin in range(0, length - 40, 40)] + [Span(0, length // 2)]

        def frames():
            for faces in islice(faces_in_view(spans), length):
                taken.update(faces)
                taken['frames'] += 1
                yield {index: torch.zeros(3, 1, 1) for index in faces}

        def measure(feature):
            taken['measured'] += 1
            return feature.mean()

        results = restore_crops(net, frames(), spans, stride, batch_size, measure=measure)
        for number, _ in enumerate(results):
            ahead = max(ahead, taken['frames'] - number)
        assert taken['measured'] == sum(len(span.numbers) for span in spans)
        assert not net.alive
        return net.most, ahead

    for length in (120, 1200):
        features, frames = most(length)
        assert features <= 2 * (3 + stride * batch_size) and frames <= 4 + stride * batch_size


def test_faces_in_view_are_those_whose_frames_these_are():
    for first in (0, 2, 9, 20):
        found = list(islice(faces_in_view(SPANS, first), 20))
        assert found == [
            [index for index, span in enumerate(SPANS) if number in span.numbers] for number in range(first, first + 20)
        ]


@pytest.mark.parametrize('stride', [0, 4])
def test_strides_must_fit(stride):
    with pytest.raises(ValueError, match='stride must be from 1 to 3'):
        list(restore_crops(Stand(), [], [], stride))


def test_frames_must_not_end_before_a_face_does():
    crops = crops_of([Span(0, 5)], 1)
    with pytest.raises(ValueError, match='end with number 3'):
        list(restore_crops(Stand(), by_frame(crops, 0, 4), [Span(0, 5)]))
