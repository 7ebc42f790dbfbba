"""Shot boundaries of a video, frame by frame as it is read."""

import cv2

__all__ = ['ShotFinder']

LONGEST_SIDE = 256


class ShotFinder:
    """Finds hard cuts with PySceneDetect, which compares how much colours change with how much they do around a cut.

    Attributes:
        cuts (list[int]): First frames of the second and later shots, once all frames have been added.
    """

    def __init__(self):
        from scenedetect import FrameTimecode
        from scenedetect.detectors import AdaptiveDetector

        self._detector = AdaptiveDetector(min_scene_len=1)
        # Frames are counted; a rate is only asked for because positions can also be told in seconds.
        self._time = lambda number: FrameTimecode(number, fps=25.0)
        self._count = 0
        self.cuts = []

    def add(self, frame):
        """Look at the next frame, (H, W, 3) uint8 RGB."""
        scale = LONGEST_SIDE / max(frame.shape[:2])
        if scale < 1:
            frame = cv2.resize(frame, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        found = self._detector.process_frame(self._time(self._count), cv2.cvtColor(frame, cv2.COLOR_RGB2BGR))
        self.cuts += [time.frame_num for time in found]
        self._count += 1

    def finish(self):
        """Add the cuts that were still in doubt."""
        if self._count:
            self.cuts += [time.frame_num for time in self._detector.post_process(self._time(self._count - 1))]
