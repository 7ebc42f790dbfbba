"""Damage of videos that can be read past, reported with the number of the frame where it shows."""

from collections import deque
from collections.abc import Callable
from fractions import Fraction

import av

from ..errors import DataError
from .clock import Packet

__all__ = ['DamageLog']


class DamageLog:
    """Notes what is wrong with packets, and reports it when the frame of their time comes out of the decoder.

    Args:
        name (str): What messages call the video.
        report (Callable[[str], None], optional): Called with each message. Without it, damage raises.
    """

    def __init__(self, name: str, report: Callable[[str], None] | None):
        self._name, self._report = name, report
        # (time, message) of what no frame has shown yet.
        self._noted: deque[tuple[Fraction, str]] = deque()
        self._incomplete: Fraction | None = None
        self._recording = 0
        self._last_damaged = -2

    def check_packet(self, packet: Packet, time: Fraction, recording: int, count: int) -> None:
        """Look at the next packet of the video.

        Args:
            packet (Packet): The packet, which may be incomplete.
            time (Fraction): When it is shown, in seconds.
            recording (int): Number of the recording it belongs to, see `clock.Clock`.
            count (int): Frames that were decoded up to now.

        Raises:
            DataError: It is incomplete, and nothing is to be reported.
        """
        if recording != self._recording:
            # What was cut off before is lost, but no frame after it is.
            self._incomplete, self._recording = None, recording
            self._noted.append((time, f'{self._name} is made of recordings joined end to end: one begins'))
        elif self._incomplete is not None:
            self._note_damage(self._incomplete)
            self._incomplete = None
        if packet.is_corrupt:
            if self._report is None:
                raise self._broken_off(count)
            self._incomplete = time

    def check_error(self, error: av.FFmpegError, time: Fraction, count: int) -> None:
        """Note that a packet cannot be decoded.

        Raises:
            DataError: Nothing is to be reported.
        """
        if self._report is None:
            raise DataError(f'{self._name} cannot be decoded after frame {count}: {error.strerror}') from error
        self._note_damage(time)

    def check_frame(self, frame: av.VideoFrame, number: int, time: Fraction) -> None:
        """Report what shows in the next frame, which has a number counted from 0 and a time in seconds."""
        if self._report is None:
            return
        damaged = frame.is_corrupt
        while self._noted and self._noted[0][0] <= time:
            message = self._noted.popleft()[1]
            if message:
                self._report(f'{message} at frame {number} ({float(time):.2f} s)')
            else:
                damaged = True
        if damaged:
            # Of damaged frames in a row the first is named.
            if number > self._last_damaged + 1:
                self._report(
                    f'{self._name} is damaged at frame {number} ({float(time):.2f} s): what can be decoded is used'
                )
            self._last_damaged = number

    def finish(self, count: int) -> None:
        """Report what shows in no frame at all.

        Raises:
            DataError: The last packet is incomplete.
        """
        if self._incomplete is not None:
            raise self._broken_off(count)
        if self._noted and count and self._report is not None:
            self._report(f'{self._name} is damaged after frame {count - 1}, the last that can be decoded')

    def _note_damage(self, time: Fraction) -> None:
        if not self._noted or self._noted[-1][1]:
            self._noted.append((time, ''))

    def _broken_off(self, count: int) -> DataError:
        return DataError(f'{self._name} breaks off or is damaged after frame {count}')
