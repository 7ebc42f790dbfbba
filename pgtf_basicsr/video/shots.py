"""Shot boundaries of a video, found frame by frame as it is read."""

import cv2
import numpy as np

__all__ = ['ShotDetector']

LONGEST_SIDE = 256


class ShotDetector:
    """Detects hard cuts with PySceneDetect, which compares a change of colours with the changes around it.

    Attributes:
        cuts (list[int]): Numbers of the first frames of the second and later shots, after `finish`.
    """

    def __init__(self) -> None:
        from scenedetect import FrameTimecode
        from scenedetect.detectors import AdaptiveDetector

        self._detector = AdaptiveDetector(min_scene_len=1)
        # Positions are frame numbers. PySceneDetect asks for a rate because it can state them in seconds as well.
        self._time = lambda number: FrameTimecode(number, fps=25.0)
        self._count = 0
        self.cuts: list[int] = []

    def add(self, frame: np.ndarray) -> None:
        """Look at the next frame, (H, W, 3) uint8 RGB."""
        scale = LONGEST_SIDE / max(frame.shape[:2])
        if scale < 1:
            frame = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        found = self._detector.process_frame(self._time(self._count), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        self.cuts += [time.frame_num for time in found]
        self._count += 1

    def finish(self) -> None:
        """Add the cuts that were still undecided."""
        if self._count:
            self.cuts += [time.frame_num for time in self._detector.post_process(self._time(self._count - 1))]
