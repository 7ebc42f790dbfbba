"""Which clips and frames an epoch takes."""

import os

import numpy as np
import pytest

from pgtf_basicsr.data.clips import Clip
from pgtf_basicsr.data.sampling import ClipTable, ClipWeights, WindowRanges, read_clip_weights
from pgtf_basicsr.errors import UserError


def draws(ranges, num_frames, count=400):
    rng = np.random.default_rng(0)
    return [ranges.draw(num_frames, rng) for _ in range(count)]


def test_a_table_gives_back_its_clips():
    # The last name is one that is no text: bytes of another encoding.
    clips = [Clip('a', 3), Clip('Clip+ä+P0', 7, 64, 48, 12), Clip(os.fsdecode(b'Clip+\xe4'), 5)]
    table = ClipTable(clips)
    assert list(table) == clips and len(table) == 3
    assert table.num_frames.tolist() == [3, 7, 5]


def test_windows_lie_in_the_clip_and_reach_both_of_its_ends():
    windows = draws(WindowRanges(3), 6)
    assert {tuple(window) for window in windows} == {(first, first + 1, first + 2) for first in range(4)}


def test_intervals_are_drawn_and_those_too_long_are_left_out():
    windows = draws(WindowRanges(3, intervals=(1, 2, 5)), 6)
    assert {window[1] - window[0] for window in windows} == {1, 2}
    assert all(window[2] - window[1] == window[1] - window[0] for window in windows)
    assert WindowRanges(3, intervals=(2, 5)).shortest_clip == 5


def test_half_of_the_windows_play_backwards():
    windows = draws(WindowRanges(3, random_reverse=True), 10)
    assert 0.4 < np.mean([window[0] > window[2] for window in windows]) < 0.6


def test_windows_beyond_the_ends_repeat_them_and_centre_on_every_frame():
    windows = draws(WindowRanges(3, beyond_ends=True), 4)
    assert {tuple(window) for window in windows} == {(0, 0, 1), (0, 1, 2), (1, 2, 3), (2, 3, 3)}
    assert WindowRanges(5, beyond_ends=True).draw(1, np.random.default_rng(0)) == [0] * 5


def test_clips_get_their_share_of_an_epoch():
    weights = ClipWeights([1, 0, 2.5, 0.5], 40)
    for epoch in range(5):
        counts = np.bincount([weights.clip_of(item, 3, epoch) for item in range(40)], minlength=4)
        assert counts.tolist() == [10, 0, 25, 5]
    counts = [
        np.bincount([ClipWeights([1, 1, 1], 4).clip_of(item, 0, epoch) for item in range(4)], minlength=3)
        for epoch in range(60)
    ]
    assert set(np.concatenate(counts).tolist()) == {1, 2}
    assert all(15 < share < 25 for share in np.sum(np.array(counts) == 2, axis=0))


def test_weights_are_read_by_clip(tmp_path):
    clips = [Clip('a', 3), Clip('b c', 3), Clip('d', 3)]
    path = tmp_path / 'weights.txt'
    path.write_text('b c 2.5\n\na 0\n')
    assert read_clip_weights(path, clips).tolist() == [0, 2.5, 1]
    for text, complaint in (
        ('a one\n', 'weights.txt, line 1'),
        ('a 1\nd -2\n', 'weights.txt, line 2'),
        ('a 0\nb c 0\nd 0\n', 'no clip'),
    ):
        path.write_text(text)
        with pytest.raises(UserError, match=complaint):
            read_clip_weights(path, clips)
