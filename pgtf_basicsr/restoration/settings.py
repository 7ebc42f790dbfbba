"""How videos are restored and written."""

import re
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from ..devices import PRECISIONS
from ..errors import require
from ..faces.detection import DETECTORS

__all__ = ['AUTO', 'BACKGROUNDS', 'CROP', 'MASKS', 'PLAIN', 'SCALES', 'Settings']

# Of `Settings.faces`, beside what `faces.selection.select_faces` takes.
AUTO, CROP = 'auto', 'crop'
FACES = re.compile(r'auto|crop|all|largest|\d+( *, *\d+)*', re.ASCII)
PLAIN = 'plain'
BACKGROUNDS = (PLAIN, 'realesrgan')
MASKS = ('auto', 'parsing', 'ellipse')
# Of the output's width and height to the input's.
SCALES = (1, 2, 4)


@dataclass(frozen=True)
class Settings:
    """How videos are restored and written.

    Attributes:
        fidelity (float): The paper's w, in [0, 1].
        stride (int): Frames from one window to the next, from 1 to the network's number of frames, see
            `streaming.restore_frames`.
        batch_size (int | str): Windows in one pass, at least 1; auto as `networks.batch_that_fits`.
        precision (str): Precision of the arithmetic: fp32, bf16 or fp16.
        size (int, optional): Short side in the network, in pixels, a multiple of its stride. Default: the network's
            nominal size.
        device (str): auto, cpu, cuda or cuda:N.
        codec (str, optional): As of `video.encoding.choose_encoding`, like the next two.
        crf (int, optional): Quality, 0 (best) to 51 or 63.
        lossless (bool): Whether the decoded output is exactly what was restored.
        deinterlace (str): auto, on or off.
        start (Fraction, optional): Time in the input at which the output begins, in seconds.
        end (Fraction, optional): Time in the input at which the output ends, in seconds.
        rate (Fraction, optional): Frames per second of a folder of images. Default: 25.
        faces (str): Which faces are restored: all, largest, or their numbers, such as 1,3, see
            `faces.selection.select_faces`; crop: frames as a whole, of a video that is cropped to one face; or auto:
            crop for what is so cropped, see `faces.choice.is_one_face`, and all for the rest.
        detect_every (int): Faces are detected in every so-manieth frame.
        detector (str): auto, centerface or retinaface, see `faces.detection.choose_detector`.
        detector_weights (str, optional): Weights of RetinaFace.
        analysis (str | Path, optional): File of the faces that were found, to read or to write. Default: beside the
            output, see `faces.analysis.analysis_path`.
        strength (float): How much of the change of a face is pasted, in [0, 1].
        match_colour (bool): Whether colours of a restored face are matched to its surroundings.
        mask (str): auto, parsing or ellipse: what of a crop is pasted, see `faces.restoration`.
        min_face (float): Width of the smallest faces that are restored, in pixels.
        min_blur (float): Blur of the sharpest faces that are restored, see `faces.sharpness.blur`; 0 restores all.
        background (str): What faces are pasted into: plain, the frame; realesrgan, the frame as a network restored it.
        background_weights (str | Path, optional): That network's.
        scale (int): Width and height of the output in those of the input: 1, 2 or 4.
        preview (Fraction, optional): Seconds to restore, to try settings.
        side_by_side (bool): Whether frames of the output show the input to the left of what was restored.

    Raises:
        UserError: A value is out of its range.
    """

    fidelity: float = 1.0
    stride: int = 1
    batch_size: int | Literal['auto'] = 'auto'
    precision: str = 'fp32'
    size: int | None = None
    device: str = 'auto'
    codec: str | None = None
    crf: int | None = None
    lossless: bool = False
    deinterlace: str = 'auto'
    start: Fraction | None = None
    end: Fraction | None = None
    rate: Fraction | None = None
    faces: str = AUTO
    detect_every: int = 1
    detector: str = 'auto'
    detector_weights: str | None = None
    analysis: str | Path | None = None
    strength: float = 1.0
    match_colour: bool = True
    mask: str = 'auto'
    min_face: float = 16
    min_blur: float = 0
    background: str = PLAIN
    background_weights: str | Path | None = None
    scale: int = 1
    preview: Fraction | None = None
    side_by_side: bool = False

    def __post_init__(self) -> None:
        require(0 <= self.fidelity <= 1, f'fidelity must be between 0 and 1, not {self.fidelity}')
        require(self.stride >= 1, f'stride must be at least 1, not {self.stride}')
        require(
            self.batch_size == 'auto' or self.batch_size >= 1,
            f'batch must be at least 1, or auto, not {self.batch_size}',
        )
        require(self.precision in PRECISIONS, f'precision must be one of {", ".join(PRECISIONS)}, not {self.precision}')
        start = self.start or Fraction(0)
        require(start >= 0, f'start must not be negative, but is {float(start):g} s')
        rate = Fraction(1 if self.rate is None else self.rate)
        require(
            # FFmpeg's limit.
            rate > 0 and max(rate.numerator, rate.denominator) < 2**31,
            f'rate must be a positive number such as 25 or 30000/1001, not {self.rate}',
        )
        require(
            self.end is None or self.end > start,
            f'end must be later than start, {float(start):g} s, but is {float(self.end or 0):g} s',
        )
        self._check_faces()

    def _check_faces(self) -> None:
        require(
            FACES.fullmatch(self.faces) is not None,
            f'faces must be auto, crop, all, largest, or numbers of faces such as 1,3, not {self.faces}',
        )
        require(self.detect_every >= 1, f'detect-every must be at least 1, not {self.detect_every}')
        require(0 <= self.strength <= 1, f'strength must be between 0 and 1, not {self.strength}')
        require(self.min_face >= 0, f'min-face must not be negative, but is {self.min_face}')
        require(0 <= self.min_blur <= 1, f'min-blur must be between 0 and 1, not {self.min_blur}')
        for name, choices in (('detector', DETECTORS), ('mask', MASKS), ('background', BACKGROUNDS), ('scale', SCALES)):
            value = getattr(self, name)
            require(value in choices, f'{name} must be one of {", ".join(map(str, choices))}, not {value}')
        require(
            self.background == PLAIN or self.background_weights is not None,
            f'background {self.background} needs background-weights, a file of such a network',
        )
        require(
            self.background != PLAIN or self.background_weights is None,
            'background-weights are for background realesrgan, not for plain',
        )
        require(self.preview is None or self.preview > 0, f'preview must be positive, not {self.preview}')

    def describe(self) -> dict[str, Any]:
        """Return what the result depends on, in types of JSON. Devices and batches change no more than rounding."""
        names = (
            *('fidelity', 'stride', 'precision', 'size', 'codec', 'crf', 'lossless', 'deinterlace'),
            *('strength', 'match_colour', 'mask', 'background', 'scale', 'side_by_side'),
        )
        exact = {name: getattr(self, name) for name in ('start', 'end', 'rate', 'preview')}
        return {
            **{name: getattr(self, name) for name in names},
            **{name: None if value is None else str(value) for name, value in exact.items()},
        }
