"""PGTFormer through the streaming engine."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Literal

from torch import Tensor

from ..argument_types import Count, Share
from ..errors import require
from ..restoration.loaded_network import LoadedNetwork
from ..restoration.settings import Settings
from ..restoration.streaming import restore_frames
from .fitting import restore_at_size
from .method import Method, MethodNeeds
from .registry import METHOD_REGISTRY

__all__ = ['PGTFormer']


@METHOD_REGISTRY.register()
class PGTFormer(Method):
    """PGTFormer (IJCAI 2024), as `basicsr restore` runs it on cropped videos.

    Args:
        weights (str): File of weights, of a checkpoint of this package or the published one.
        fidelity (float): The paper's w, in [0, 1].
        stride (int): Frames from one window to the next, from 1 to the network's number of frames.
        option_file (str, optional): Option file whose ``network_g`` the weights belong to, where they do not say it.
        device (str): auto, cpu, cuda or cuda:N.
        precision (str): fp32, bf16 or fp16.

    Raises:
        UserError: The weights cannot be read or belong to another network, or the stride is above its frames.
    """

    title = 'PGTFormer'
    needs = MethodNeeds(
        window=3,
        multiple_of=32,
        minimum=64,
        licence="Apache-2.0; the published weights have their authors' licence, for non-commercial use",
        weights='stages I to IV train them, see docs/stages.md; published as kepeng/pgtformer-base on the '
        'Hugging Face Hub',
    )

    def __init__(
        self,
        weights: str,
        fidelity: Share = Settings.fidelity,
        stride: Count = Settings.stride,
        option_file: str | None = None,
        device: str = Settings.device,
        precision: Literal['fp32', 'bf16', 'fp16'] = 'fp32',
    ) -> None:
        loaded = LoadedNetwork(weights, option_file, device, precision)
        net = loaded.net
        require(
            stride <= net.num_frames,
            f'method PGTFormer: stride is {stride}; the network of {weights} takes 1 to {net.num_frames}',
        )
        self.net = net
        self.needs = replace(
            self.needs,
            window=net.num_frames,
            multiple_of=net.requirements.multiple_of,
            minimum=net.requirements.minimum,
        )
        self._restore = partial(restore_frames, net, stride=stride, device=loaded.device, fidelity=fidelity)

    def restore(self, frames: Iterable[Tensor]) -> Iterator[Tensor]:
        """Restore the frames of a clip in windows, see `Method.restore`."""
        return restore_at_size(frames, self.needs, self.title, self._restore)
