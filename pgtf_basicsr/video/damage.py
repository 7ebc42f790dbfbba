"""Damage of videos that can be read past, reported with the number of the frame where it shows."""

from collections.abc import Callable
from fractions import Fraction

import av

from ..errors import DataError
from .clock import Packet

__all__ = ['DamageLog']


class DamageLog:
    """Notes what is wrong with packets, and reports it when the first frame that it concerns leaves the decoder.

    Args:
        name (str): What messages call the video.
        container_format (str): FFmpeg's name of its container.
        report (Callable[[str], None], optional): Called with each message. Without it, damage raises.
    """

    def __init__(self, name: str, container_format: str, report: Callable[[str], None] | None):
        self._name, self._report = name, report
        # FFmpeg cuts the packets of transport streams anew, and flags the one before the one that lacks data.
        self._lag = int(container_format == 'mpegts')
        self._lacking: int | None = None
        # Numbers of packets where damage begins, or another recording.
        self._damaged: list[int] = []
        self._joints: list[int] = []
        self._last_damaged_frame = -2

    def check_packet(self, packet: Packet, number: int, joint_follows: bool, end_follows: bool, count: int) -> None:
        """Look at a packet of the video before it is decoded. It loses its flag, which decoders would pass on.

        Args:
            packet (Packet): The packet.
            number (int): Its number in the order of decoding.
            joint_follows (bool): Whether another recording begins with the next packet.
            end_follows (bool): Whether it is the last packet.
            count (int): Frames that were decoded up to now.

        Raises:
            DataError: It lacks data, and is the last one or nothing is to be reported.
        """
        if packet.is_corrupt:
            self._lacking = number + self._lag
            packet.is_corrupt = False
            if self._report is None or (end_follows and not self._lag):
                raise DataError(f'{self._name} breaks off or is damaged after frame {count}')
        # What was cut off before it was joined is lost, but the frame is complete as a rule.
        if self._lacking == number and not joint_follows:
            self._damaged.append(number)
        if joint_follows:
            self._joints.append(number + 1)

    def check_error(self, error: av.FFmpegError, number: int, count: int) -> None:
        """Note that a packet cannot be decoded.

        Raises:
            DataError: Nothing is to be reported.
        """
        if self._report is None:
            raise DataError(f'{self._name} cannot be decoded after frame {count}: {error.strerror}') from error
        self._damaged.append(number)

    def check_frame(self, frame: av.VideoFrame, packet_number: int, number: int, time: Fraction) -> None:
        """Report what the next frame is the first to show.

        Args:
            frame (VideoFrame): The frame.
            packet_number (int): Number of the packet that it was decoded from.
            number (int): Its number in the order of display.
            time (Fraction): When it is shown, in seconds.
        """
        if self._report is None:
            return
        where = f'frame {number} ({float(time):.2f} s)'
        if any(joint <= packet_number for joint in self._joints):
            self._report(f'{self._name} is made of recordings joined end to end: one begins at {where}')
            self._joints = [joint for joint in self._joints if joint > packet_number]
        if frame.is_corrupt or any(damaged <= packet_number for damaged in self._damaged):
            # Of damaged frames in a row the first is named.
            if number > self._last_damaged_frame + 1:
                self._report(f'{self._name} is damaged from {where} on: what can be decoded is used')
            self._last_damaged_frame = number
            self._damaged = [damaged for damaged in self._damaged if damaged > packet_number]

    def finish(self, count: int) -> None:
        """Report damage that shows in no frame."""
        if self._damaged and count and self._report is not None:
            self._report(f'{self._name} is damaged after frame {count - 1}, the last that can be decoded')
