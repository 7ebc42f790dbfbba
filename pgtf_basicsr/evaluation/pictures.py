"""Pictures of a restored clip, made while its frames go by: some frames, and slices through time."""

import cv2
import numpy as np

__all__ = ['AMPLIFICATION', 'CAPTIONS', 'SLICE_FRAMES', 'SLICE_HEIGHT', 'ClipPictures']

# So that memory does not grow with the clip, and a line of pixels a frame still fits a screen.
SLICE_FRAMES = 300
# Where FFHQ's template for faces of 512 pixels has the eyes.  Eyelids, irises and the bridge of the nose give upright
# edges, whose every move shows, and between them lies skin, on which brightness that changes does.
SLICE_HEIGHT = 240 / 512
# A difference of a few levels, which flickers visibly in motion, would look black in a still picture.
AMPLIFICATION = 4

COLUMNS = 'From left to right, as far as there are any: degraded, restored, ground truth.'
CAPTIONS = {
    'frames': f'First, middle and last frame. {COLUMNS}',
    'slices': f'The same line of pixels of every frame, at the height of the eyes in an aligned face; time runs '
    f'downward, over the first {SLICE_FRAMES} frames of a longer clip. {COLUMNS} Flicker shows as horizontal '
    f'stripes, jitter as ragged edges. Below, where there is ground truth: the absolute difference from it, '
    f'times {AMPLIFICATION}.',
}


class ClipPictures:
    """Collects what pictures of a clip need, frame by frame, in memory that does not depend on the clip's length.

    Args:
        num_frames (int): Frames of the clip.
    """

    def __init__(self, num_frames):
        self._chosen = {0, num_frames // 2, num_frames - 1}
        self._num_updates = 0
        self._frames, self._lines, self._differences = [], [], []

    def update(self, restored, gt=None, degraded=None):
        """Take the next frame; what is None must be so for all frames of the clip.

        Args:
            restored (ndarray): (H, W, 3) uint8 RGB.
            gt (ndarray | None): (H, W, 3) uint8 RGB.
            degraded (ndarray | None): (h, w, 3) uint8 RGB; shown at the size of the restored one, its pixels repeated.
        """
        height, width = restored.shape[:2]
        if degraded is not None:
            degraded = cv2.resize(degraded, (width, height), interpolation=cv2.INTER_NEAREST)
        columns = [column for column in (degraded, restored, gt) if column is not None]
        if self._num_updates in self._chosen:
            self._frames.append(np.concatenate(columns, axis=1))
        if self._num_updates < SLICE_FRAMES:
            lines = [column[int(SLICE_HEIGHT * height)] for column in columns]
            self._lines.append(np.concatenate(lines))
            if gt is not None:
                differences = [cv2.absdiff(line, lines[-1]) for line in lines]
                self._differences.append(cv2.convertScaleAbs(np.concatenate(differences), alpha=AMPLIFICATION))
        self._num_updates += 1

    def frames(self):
        """First, middle and last frame, each degraded | restored | ground truth, without the columns that do not exist.

        Returns:
            ndarray: (H times 1 to 3, W times 1 to 3, 3) uint8 RGB; shorter clips have fewer rows.

        Raises:
            ValueError: There was no frame.
        """
        return np.concatenate(self._frames)

    def slices(self):
        """The line of pixels at the eyes of every frame, one below the other, in the columns of `frames`.

        With ground truth, a second half below shows the absolute difference from it, amplified by `AMPLIFICATION`, in
        the same columns; that of the ground truth itself is black.  Frames beyond `SLICE_FRAMES` are left out.

        Returns:
            ndarray: (T or 2 T, W times 1 to 3, 3) uint8 RGB; of short clips, each frame has several equal lines, so
            that a half is about half as high as a frame.

        Raises:
            ValueError: There was no frame.
        """
        lines = np.stack(self._lines + self._differences)
        height = len(self._frames[0])
        return lines.repeat(max(1, height // (2 * len(self._lines))), axis=0)
