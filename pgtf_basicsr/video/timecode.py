"""Time codes of SMPTE ST 12-1: hours, minutes, seconds and frames, which count the frames of a recording."""

import re
from fractions import Fraction

__all__ = ['later_timecode']

TIME_CODE = re.compile(r'(\d\d):(\d\d):(\d\d)([:;.])(\d\d+)', re.ASCII)
# Separators before the frames in time codes that skip numbers (drop frame).
DROP = ';.'
# Minutes at which none are skipped come every ten.
MINUTES = 10


def later_timecode(timecode: str, seconds: Fraction, rate: Fraction) -> str | None:
    """Find the time code of the first frame from a later time on.

    At 30000/1001 and 60000/1001 frames per second, drop-frame time code skips the first 2 or 4 numbers of every minute
    but those divisible by ten, so that it keeps up with the clock.

    Args:
        timecode (str): That of the first frame: hh:mm:ss:ff, or hh:mm:ss;ff for drop frame.
        seconds (Fraction): The time, from the first frame on.
        rate (Fraction): Frames per second.

    Returns:
        str | None: In the same form; None if it is not a time code of such a rate.
    """
    found = TIME_CODE.fullmatch(timecode)
    base = round(rate)
    if found is None or not 0 < base <= 100:
        return None
    hours, minutes, second, frame = (int(found[group]) for group in (1, 2, 3, 5))
    if minutes > 59 or second > 59 or frame >= base:
        return None
    skipped = 2 * base // 30 if found[4] in DROP else 0
    if skipped and base % 30:
        return None
    minute = 60 * hours + minutes
    number = base * (60 * minute + second) + frame - skipped * (minute - minute // MINUTES)
    frames = -(-seconds * rate // 1)
    return _write(number + int(frames), base, skipped, found[4])


def _write(number: int, base: int, skipped: int, separator: str) -> str:
    per_minute = 60 * base - skipped
    per_ten = MINUTES * per_minute + skipped
    number %= 6 * 24 * per_ten
    tens, rest = divmod(number, per_ten)
    # Of every ten minutes the first has all numbers.
    number += skipped * ((MINUTES - 1) * tens + max(0, (rest - skipped) // per_minute))
    second, frame = divmod(number, base)
    return f'{second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}{separator}{frame:02}'
