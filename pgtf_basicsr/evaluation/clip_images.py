"""Images of a restored clip, made frame by frame: some frames, and slices through time."""

import cv2
import numpy as np

__all__ = ['AMPLIFICATION', 'CAPTIONS', 'COLUMN_ORDER', 'SLICE_FRAMES', 'SLICE_HEIGHT', 'ClipImages']

# Bounds memory for long clips, and slices with a line of pixels for each frame still fit a screen.
SLICE_FRAMES = 300
# Height of the eyes in FFHQ's template for faces of 512 pixels.  Eyelids, irises and the bridge of the nose give
# vertical edges, which show every motion, and the skin between them shows changes of brightness.
SLICE_HEIGHT = 240 / 512
# A difference of a few levels flickers visibly in motion, but would look black in a still image.
AMPLIFICATION = 4

COLUMN_ORDER = 'From left to right, where available: degraded, restored, ground truth.'
CAPTIONS = {
    'frames': 'First, middle and last frame.',
    'slices': f'The same line of pixels of every frame, at the height of the eyes in an aligned face; time runs '
    f'downward, over the first {SLICE_FRAMES} frames of a longer clip. Flicker shows as horizontal '
    f'stripes, jitter as ragged edges. Below, where there is ground truth: the absolute difference from it, '
    f'times {AMPLIFICATION}.',
}


class ClipImages:
    """Makes images of a clip, frame by frame, in memory that does not depend on the clip's length.

    Args:
        num_frames (int): Frames of the clip.

    Attributes:
        columns (tuple[str]): What images show from left to right: degraded, restored, real, without missing ones.
    """

    def __init__(self, num_frames: int) -> None:
        self._chosen = {0, num_frames // 2, num_frames - 1}
        self._num_updates = 0
        self.columns: tuple[str, ...] = ()
        self._frames: list[np.ndarray] = []
        self._lines: list[np.ndarray] = []
        self._differences: list[np.ndarray] = []

    def update(self, restored: np.ndarray, gt: np.ndarray | None = None, degraded: np.ndarray | None = None) -> None:
        """Take the next frame of each clip; a clip that is None must be None for all frames.

        Args:
            restored (ndarray): (H, W, 3) uint8 RGB.
            gt (ndarray | None): (H, W, 3) uint8 RGB.
            degraded (ndarray | None): (h, w, 3) uint8 RGB; shown at the size of the restored one, its pixels repeated.
        """
        height, width = restored.shape[:2]
        if degraded is not None:
            degraded = cv2.resize(degraded, (width, height), interpolation=cv2.INTER_NEAREST)
        given = {'degraded': degraded, 'restored': restored, 'real': gt}
        self.columns = tuple(name for name, column in given.items() if column is not None)
        columns = [column for column in given.values() if column is not None]
        if self._num_updates in self._chosen:
            self._frames.append(np.concatenate(columns, axis=1))
        if self._num_updates < SLICE_FRAMES:
            lines = [column[int(SLICE_HEIGHT * height)] for column in columns]
            self._lines.append(np.concatenate(lines))
            if gt is not None:
                differences = [cv2.absdiff(line, lines[-1]) for line in lines]
                self._differences.append(cv2.convertScaleAbs(np.concatenate(differences), alpha=AMPLIFICATION))
        self._num_updates += 1

    def frames(self) -> np.ndarray:
        """First, middle and last frame, each degraded | restored | ground truth, without missing columns.

        Returns:
            ndarray: (H times 1 to 3, W times 1 to 3, 3) uint8 RGB; shorter clips have fewer rows.

        Raises:
            ValueError: There was no frame.
        """
        return np.concatenate(self._frames)

    def slices(self) -> np.ndarray:
        """The line of pixels at the eyes of every frame, one below the other, in the columns of `frames`.

        With ground truth, a second half below shows the absolute difference from it, amplified by `AMPLIFICATION`, in
        the same columns; that of the ground truth itself is black.  Frames beyond `SLICE_FRAMES` are skipped.

        Returns:
            ndarray: (T or 2 T, W times 1 to 3, 3) uint8 RGB; of short clips, each frame has several equal lines, so
            that a half is about half as high as a frame.

        Raises:
            ValueError: There was no frame.
        """
        lines = np.stack(self._lines + self._differences)
        height = len(self._frames[0])
        return lines.repeat(max(1, height // (2 * len(self._lines))), axis=0)
