"""How videos are restored and written."""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Literal

from ..devices import PRECISIONS
from ..errors import require

__all__ = ['Settings']


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
        require(self.rate is None or self.rate > 0, f'rate must be positive, not {self.rate}')
        require(
            self.end is None or self.end > start,
            f'end must be later than start, {float(start):g} s, but is {float(self.end or 0):g} s',
        )

    def describe(self) -> dict[str, Any]:
        """Return what the result depends on, in types of JSON. Devices and batches change no more than rounding."""
        names = ('fidelity', 'stride', 'precision', 'size', 'codec', 'crf', 'lossless', 'deinterlace')
        exact = {name: getattr(self, name) for name in ('start', 'end', 'rate')}
        return {
            **{name: getattr(self, name) for name in names},
            **{name: None if value is None else str(value) for name, value in exact.items()},
        }
