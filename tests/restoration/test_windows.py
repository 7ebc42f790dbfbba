"""Windows over a stream against windows written out by hand."""

import math

import pytest
import torch

from pgtf_basicsr.restoration.windows import blend, sliding_windows, strided_windows


@pytest.mark.parametrize(
    'frames, num_frames, windows',
    [
        ('abcd', 3, ['aab', 'abc', 'bcd', 'cdd']),
        ('abcd', 1, ['a', 'b', 'c', 'd']),
        ('abcd', 2, ['aa', 'ab', 'bc', 'cd']),
        ('abcd', 4, ['aaab', 'aabc', 'abcd', 'bcdd']),
        ('abcd', 5, ['aaabc', 'aabcd', 'abcdd', 'bcddd']),
        ('ab', 5, ['aaabb', 'aabbb']),
        ('a', 3, ['aaa']),
        ('', 3, []),
    ],
)
def test_windows_are_centred_and_repeat_the_edges(frames, num_frames, windows):
    assert [''.join(window) for window in sliding_windows(frames, num_frames)] == windows
    assert all(window[num_frames // 2] == frame for window, frame in zip(windows, frames))


def counted(frames, taken):
    for frame in frames:
        taken.append(frame)
        yield frame


@pytest.mark.parametrize('num_frames', [1, 2, 3, 4, 7])
def test_windows_take_no_frame_before_it_is_needed(num_frames):
    taken = []
    after = num_frames - 1 - num_frames // 2
    for index, _ in enumerate(sliding_windows(counted(range(20), taken), num_frames)):
        assert len(taken) == min(index + 1 + after, 20)


@pytest.mark.parametrize(
    'frames, num_frames, stride, windows',
    [
        ('abcdef', 3, 3, [(0, 'abc'), (3, 'def')]),
        ('abcde', 3, 3, [(0, 'abc'), (2, 'cde')]),
        ('abcd', 3, 3, [(0, 'abc'), (1, 'bcd')]),
        ('abcdef', 3, 2, [(0, 'abc'), (2, 'cde'), (3, 'def')]),
        ('abcde', 3, 2, [(0, 'abc'), (2, 'cde')]),
        ('abcdefgh', 5, 4, [(0, 'abcde'), (3, 'defgh')]),
        ('ab', 3, 3, [(0, 'abb')]),
        ('a', 3, 2, [(0, 'aaa')]),
        ('', 3, 3, []),
    ],
)
def test_strided_windows_cover_all_frames(frames, num_frames, stride, windows):
    assert [(first, ''.join(window)) for first, window in strided_windows(frames, num_frames, stride)] == windows


def test_frames_of_one_window_stay_as_they_are():
    windows = [(0, torch.rand(3, 2)), (3, torch.rand(3, 2))]
    blended = list(blend(windows, 3))
    assert torch.equal(torch.stack(blended), torch.cat([window for _, window in windows]))


def test_overlaps_are_blended_by_a_raised_cosine():
    """Of five frames in steps of three, two are in both windows."""
    first, second = torch.zeros(5, 1), torch.ones(5, 1)
    blended = [frame.item() for frame in blend([(0, first), (3, second)], 5)]
    weights = [(1 - math.cos(2 * math.pi * (i + 0.5) / 5)) / 2 for i in range(5)]
    expected = [weights[0] / (weights[0] + weights[3]), weights[1] / (weights[1] + weights[4])]
    assert blended == pytest.approx([0, 0, 0, *expected, 1, 1, 1])


def test_blending_holds_no_more_than_it_needs():
    taken = []
    windows = counted([(first, torch.rand(3, 1)) for first in range(0, 30, 2)], taken)
    for index, _ in enumerate(blend(windows, 3)):
        assert len(taken) <= index // 2 + 2
