"""TS-VQGAN: what the autoencoder of stage I makes of the frames that it is given."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Literal

from torch import Tensor

from ..archs import PGTFormer, ts_vqgan_arch
from ..archs.inference import for_inference
from ..archs.loading import find_network, load_network
from ..checkpoints import read_checkpoint
from ..devices import PRECISIONS, find_device
from ..errors import UserError
from ..restoration.streaming import restore_frames
from .fitting import restore_at_size
from .method import Method, MethodNeeds
from .registry import METHOD_REGISTRY

__all__ = ['TSVQGAN']


@METHOD_REGISTRY.register()
class TSVQGAN(Method):
    """The autoencoder of stage I. Given the ground truth (``val.input: gt``), it reconstructs it, as in Table 3.

    Args:
        weights (str): File of weights, made by stage I.
        option_file (str, optional): Option file whose ``network_g`` the weights belong to, where they do not say it.
        device (str): auto, cpu, cuda or cuda:N.
        precision (str): fp32, bf16 or fp16.

    Raises:
        UserError: The weights cannot be read or belong to another network.
    """

    title = 'TS-VQGAN'
    needs = MethodNeeds(
        window=3, multiple_of=16, minimum=32, licence='Apache-2.0', weights='stage I trains them, see docs/stages.md'
    )

    def __init__(
        self,
        weights: str,
        option_file: str | None = None,
        device: str = 'auto',
        precision: Literal['fp32', 'bf16', 'fp16'] = 'fp32',
    ) -> None:
        checkpoint = read_checkpoint(weights)
        net = load_network(checkpoint, *find_network(checkpoint, option_file))
        if not isinstance(net, ts_vqgan_arch.TSVQGAN) or isinstance(net, PGTFormer):
            raise UserError(
                f'{weights} are weights of {type(net).__name__}; the method TSVQGAN takes those of a TSVQGAN'
            )
        place = find_device(device)
        self.net = for_inference(net.to(place), PRECISIONS[precision])
        self.needs = replace(
            self.needs,
            window=net.num_frames,
            multiple_of=net.requirements.multiple_of,
            minimum=net.requirements.minimum,
        )
        self._restore = partial(restore_frames, self.net, device=place)

    def restore(self, frames: Iterable[Tensor]) -> Iterator[Tensor]:
        """Reconstruct the frames of a clip in windows, see `Method.restore`."""
        return restore_at_size(frames, self.needs, self.title, self._restore)
