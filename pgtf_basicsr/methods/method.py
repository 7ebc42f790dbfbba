"""The interface of a restorer: what it needs, and frames in, restored frames out."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from torch import Tensor

__all__ = ['Method', 'MethodNeeds']


@dataclass(frozen=True)
class MethodNeeds:
    """What a method takes and gives, as data: nothing has to be built, loaded or imported to read it.

    Attributes:
        window (int | None): Frames that are restored together: 1 is frame by frame, None the whole clip (in overlapping
            chunks).
        is_aligned (bool): Whether faces must be warped to the FFHQ template.
        size (int | None): Side of the square frames that the network takes; None: any multiple of `multiple_of` from
            `minimum` on.
        multiple_of (int): Sides of frames are multiples of it; 1 where any.
        scale (int): Size of the output over that of the input.
        value_range (tuple[float, float]): Of the network's input and output. Frames of `Method.restore` are in [0, 1].
        licence (str): SPDX name, or words.
        weights (str): Where its weights are published, or what trains them; '' if it needs none.
        minimum (int): Shortest side of frames in pixels, where `size` is None.
        is_restricted (bool): Whether the licence restricts use, for example to research; it is then logged once.
        packages (tuple[str, ...]): Modules that it imports when it is built, which the extra ``methods`` installs.
    """

    window: int | None = 1
    is_aligned: bool = False
    size: int | None = None
    multiple_of: int = 1
    scale: int = 1
    value_range: tuple[float, float] = (0.0, 1.0)
    licence: str = ''
    weights: str = ''
    minimum: int = 1
    is_restricted: bool = False
    packages: tuple[str, ...] = ()


class Method(ABC):
    """Base of restorers. The constructor's arguments are the method's options, checked by their annotations.

    A method that has weights takes their file as ``weights``. The class states what it needs; an instance whose weights
    decide it, such as a network for another size, may have `needs` of its own.

    Attributes:
        title (str): Its name in tables, such as CodeFormer.
        needs (MethodNeeds): What it takes and gives.
    """

    title: ClassVar[str]
    needs: MethodNeeds

    @abstractmethod
    def restore(self, frames: Iterable[Tensor]) -> Iterator[Tensor]:
        """Restore the frames of a clip, a few of them in memory at a time.

        Args:
            frames (Iterable[Tensor]): (3, H, W), RGB, float in [0, 1], all of one size.

        Yields:
            Tensor: One for each frame and in the same order, `scale` times as high and wide, on the CPU, in [0, 1].

        Raises:
            UserError: The method does not take frames of this size.
        """
