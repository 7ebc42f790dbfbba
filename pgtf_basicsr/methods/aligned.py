"""Restoration of whole frames by methods for aligned faces: the steps around the network, as published."""

from collections.abc import Iterable, Iterator
from typing import Literal

import numpy as np
import torch
from basicsr.utils import get_root_logger
from torch import Tensor

from ..errors import require
from ..faces.alignment import FFHQ_SIZE, align_to_template
from ..faces.detection import FaceDetector, choose_detector
from ..faces.transforms import compose, crop_scale, resize_matrix
from .face_places import FacesOfFrame, find_faces, follow_faces, smooth_faces
from .face_streams import CropsOfFrame, restore_faces
from .face_warping import align_crop, paste_square
from .method import Method, MethodNeeds
from .timing import StepTimer

__all__ = ['SMOOTHINGS', 'STEPS', 'AlignedPipeline', 'Smoothing', 'build_detector']

Smoothing = Literal['none', 'shot']
SMOOTHINGS: tuple[Smoothing, ...] = ('none', 'shot')
# Steps whose seconds are counted.
STEPS = ('detection', 'warp', 'restoration', 'inverse warp')
# Longest side in pixels to which frames are shrunk for the detector.
DETECTION_SIDE = 640
# RetinaFace's lowest score, as in facexlib's helper.
PUBLISHED_SCORE = 0.97


class AlignedPipeline(Method):
    """Restores whole frames by a method for aligned faces.

    For each frame: landmarks are detected; every face is warped to the FFHQ template, restored, warped back and pasted,
    the largest last. A few frames are in memory at a time, and those that the method looks ahead. Frames without a face
    pass unchanged, which is logged once a clip.

    Args:
        method (Method): Restores the aligned faces.
        landmarks (FaceDetector): Finds faces and their landmarks, see `build_detector`.
        smoothing (str): ``none``: landmarks are used as they are found, in each frame by itself, as published;
            ``shot``: they are smoothed over time within each shot, and short gaps are filled.

    Raises:
        UserError: ``smoothing`` is another word.
    """

    title = 'Aligned pipeline'

    def __init__(self, method: Method, landmarks: FaceDetector, smoothing: Smoothing = 'none'):
        require(smoothing in SMOOTHINGS, f'smoothing must be one of {", ".join(SMOOTHINGS)}, not {smoothing}')
        self.needs = MethodNeeds(
            window=method.needs.window if smoothing == 'none' else None,
            licence=method.needs.licence,
            weights=method.needs.weights,
            is_restricted=method.needs.is_restricted,
        )
        self._method, self._detector, self._smoothing = method, landmarks, smoothing
        self._size = method.needs.size or FFHQ_SIZE
        self._timer = StepTimer()

    @property
    def seconds(self) -> dict[str, float]:
        """Seconds of each of `STEPS` so far. Reading frames is not among them."""
        return {step: self._timer.seconds[step] for step in STEPS}

    def restore(self, frames: Iterable[Tensor]) -> Iterator[Tensor]:
        """Restore the faces of a clip.

        Args:
            frames (Iterable[Tensor]): (3, H, W), RGB, float in [0, 1], all of one size.

        Yields:
            Tensor: (3, H, W) in [0, 1], one for each frame and in the same order; where no face is, equal to it.
        """
        timed = self._timer.timed
        places = timed(self._places(timed(frames, 'reading')), 'detection')
        crops = timed(map(self._crop, places), 'warp')
        restored = timed(restore_faces(self._method, crops), 'restoration')
        count = faceless = 0
        for frame in restored:
            count += 1
            faceless += not frame.crops
            with self._timer.step('inverse warp'):
                pasted = self._paste(frame)
            yield pasted
        if faceless:
            get_root_logger().info(f'No face was found in {faceless} of {count} frames; they are left as they are.')

    def _places(self, frames: Iterable[Tensor]) -> Iterator[FacesOfFrame]:
        if self._smoothing == 'shot':
            return smooth_faces(follow_faces(frames, self._detector))
        # Only who looks at neighbouring frames has to know whose face it is.
        find = find_faces if self._method.needs.window == 1 else follow_faces
        return find(frames, self._detector)

    def _crop(self, faces: FacesOfFrame) -> CropsOfFrame:
        """Warp the faces of a frame to the template."""
        matrices = {face: align_to_template(points, self._size) for face, points in faces.landmarks.items()}
        image = _array(faces.frame)
        crops = {face: align_crop(image, matrix, self._size) for face, matrix in matrices.items()}
        return CropsOfFrame(faces.frame, matrices, {face: _tensor(crop) for face, crop in crops.items()})

    def _paste(self, frame: CropsOfFrame) -> Tensor:
        """Paste the restored faces of a frame, the largest last, which is nearer."""
        if not frame.crops:
            return frame.frame
        image = _array(frame.frame)
        for face in sorted(frame.crops, key=lambda face: crop_scale(frame.matrices[face]), reverse=True):
            restored = _array(frame.crops[face])
            # A method may enlarge its crop.
            enlarged = len(restored) / self._size
            paste_square(image, restored, compose(resize_matrix(enlarged, enlarged), frame.matrices[face]))
        return _tensor(image)


def build_detector(name: str = 'auto', weights: str | None = None) -> FaceDetector:
    """Build a detector of faces: RetinaFace as the comparison methods' programs use it, or CenterFace.

    Args:
        name (str): ``retinaface``; ``centerface``, which needs no download; ``auto`` takes the first one where its
            weights are found.
        weights (str, optional): RetinaFace's file, see `faces.detection.choose_detector`.

    Raises:
        UserError: RetinaFace was asked for and its weights are not found or not readable.
    """
    choice = choose_detector(name, weights)
    threads = torch.get_num_threads()
    detector = choice.build(DETECTION_SIDE)
    torch.set_num_threads(threads)  # RetinaFace has set it to 1, for processes beside others
    if choice.name == 'retinaface':
        detector.min_score = PUBLISHED_SCORE
    return detector


def _array(frame: Tensor) -> np.ndarray:
    """Copy (3, H, W) to (H, W, 3) float32."""
    return np.array(frame.detach().cpu().movedim(0, -1).numpy(), np.float32, order='C')


def _tensor(image: np.ndarray) -> Tensor:
    """(H, W, 3) to (3, H, W)."""
    return torch.from_numpy(image).movedim(-1, 0).contiguous()
