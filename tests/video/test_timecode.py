"""Time codes counted on, against lists of all labels that SMPTE ST 12-1 gives the frames of hours."""

from fractions import Fraction
from itertools import product

import pytest

from pgtf_basicsr.video.timecode import later_timecode

NTSC = Fraction(30000, 1001)


def labels(base, dropped, separator):
    """All labels of two hours in order: of every minute but each tenth, the first ones are dropped."""
    return [
        f'{hour:02}:{minute:02}:{second:02}{separator}{frame:02}'
        for hour, minute, second, frame in product(range(2), range(60), range(60), range(base))
        if second or frame >= dropped or minute % 10 == 0
    ]


@pytest.mark.parametrize(
    'rate, dropped, separator',
    [(Fraction(25), 0, ':'), (NTSC, 0, ':'), (NTSC, 2, ';'), (2 * NTSC, 4, ';'), (Fraction(24000, 1001), 0, ':')],
)
def test_frames_are_counted_as_the_standard_does(rate, dropped, separator):
    all_labels = labels(round(rate), dropped, separator)
    for first in (0, 7, 1797, 1798, 1799, 1800, 17981, 17982, 35963, 35964, 50001):
        for frames in (1, 2, 1798, 1800, 3597, 17982, 35964, 90000):
            assert later_timecode(all_labels[first], frames / rate, rate) == all_labels[first + frames]


def test_between_frames_the_next_one_is_the_first():
    assert later_timecode('10:00:00:05', Fraction(1, 2), Fraction(25)) == '10:00:00:18'


def test_after_midnight_it_begins_again():
    assert later_timecode('23:59:59:24', Fraction(1, 25), Fraction(25)) == '00:00:00:00'
    assert later_timecode('23:59:59;29', 1 / NTSC, NTSC) == '00:00:00;00'


@pytest.mark.parametrize('text', ['', 'noon', '1:2:3:4', '10:60:00:00', '10:00:00:25', '10:00:00;01'])
def test_what_is_no_time_code_of_this_rate(text):
    assert later_timecode(text, Fraction(1), Fraction(25)) is None
