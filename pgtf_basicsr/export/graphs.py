"""What is traced of a network: one tensor in, named tensors out, everything else fixed."""

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import Tensor, nn

from ..archs import TSVQGAN, FaceParsingNet, PGTFormer
from ..errors import UserError, require

__all__ = ['Graph', 'graph_of']

# Side of the images that face parsing is trained on.
PARSED_SIZE = 512


class Graph(nn.Module):
    """A network as it is exported: a function of one tensor.

    Attributes:
        input (str), outputs (tuple[str]): Names of the tensors.
        shape (tuple[int]): Of one item of a batch.
        settings (dict): What is fixed in the graph.

    Args:
        net (nn.Module): The network, in eval mode.
        size (tuple[int, int] | None): Width and height of the frames. Default: the network's own.
    """

    input: ClassVar[str]
    outputs: ClassVar[tuple[str, ...]]

    def __init__(self, net: nn.Module, size: tuple[int, int] | None) -> None:
        super().__init__()
        self.net = net.requires_grad_(False)
        self.shape = self.shape_of(net, size)
        self.settings: dict[str, Any] = {'input': [self.input, 'batch', *self.shape], 'outputs': list(self.outputs)}

    def shape_of(self, net: nn.Module, size: tuple[int, int] | None) -> tuple[int, ...]:
        """Shape of one item of a batch, for frames of this size."""
        raise NotImplementedError

    @property
    def description(self) -> str:
        """Name of the network and shape of its input, for people."""
        return f'{type(self.net).__name__} of {"×".join(map(str, self.shape))}'


class ClipGraph(Graph):
    """A network of clips (B, T, 3, H, W), RGB in [0, 1]."""

    def shape_of(self, net: TSVQGAN, size: tuple[int, int] | None) -> tuple[int, ...]:  # type: ignore[override]
        width, height = size or (net.image_size, net.image_size)
        require(
            net.requirements.accepts(height, width),
            f'size {width}x{height} does not fit {type(net).__name__}: sides must be multiples of '
            f'{net.requirements.multiple_of} and make at least {net.requirements.min_latents} latents',
        )
        return net.num_frames, 3, height, width


class RestoredClip(ClipGraph):
    """PGTFormer: the restored clip of a degraded one.

    Args:
        net (PGTFormer), size (tuple[int, int] | None): As of :class:`Graph`.
        fidelity (float): The paper's w.
    """

    input = 'lq'
    outputs = ('restored',)

    def __init__(self, net: PGTFormer, size: tuple[int, int] | None, fidelity: float = 1.0) -> None:
        super().__init__(net, size)
        self.fidelity = self.settings['fidelity'] = fidelity

    def forward(self, lq: Tensor) -> Sequence[Tensor]:
        """(B, T, 3, H, W) -> (B, T, 3, H, W)."""
        return (self.net(lq, fidelity=self.fidelity),)


class ReconstructedClip(ClipGraph):
    """TSVQGAN: the reconstruction of a clip, and its codes."""

    input = 'gt'
    outputs = ('recon', 'codes')

    def forward(self, gt: Tensor) -> Sequence[Tensor]:
        """(B, T, 3, H, W) -> (B, T, 3, H, W) and (B, T, h, w) int64."""
        recon, _, codes = self.net(gt)
        return recon, codes


class ParsedFrames(Graph):
    """FaceParsingNet: the logits of its main head for frames (B, 3, H, W), RGB in [0, 1]."""

    input = 'frames'
    outputs = ('logits',)

    def shape_of(self, net: nn.Module, size: tuple[int, int] | None) -> tuple[int, ...]:
        width, height = size or (PARSED_SIZE, PARSED_SIZE)
        return 3, height, width

    def forward(self, frames: Tensor) -> Sequence[Tensor]:
        """(B, 3, H, W) -> (B, num_classes, H, W)."""
        return self.net(frames)[:1]


# The first that the network is an instance of: PGTFormer is a TSVQGAN.
GRAPHS: tuple[tuple[type[nn.Module], type[Graph]], ...] = (
    (PGTFormer, RestoredClip),
    (TSVQGAN, ReconstructedClip),
    (FaceParsingNet, ParsedFrames),
)


def graph_of(net: nn.Module, size: tuple[int, int] | None = None, fidelity: float | None = None) -> Graph:
    """Make what is traced of a network.

    Args:
        net (nn.Module): The network, in eval mode; its parameters are frozen.
        size (tuple[int, int] | None): Width and height of the frames. Default: the network's own.
        fidelity (float | None): The paper's w, of a PGTFormer. Default: 1.

    Raises:
        UserError: There is nothing to trace of such a network, or it does not take these arguments.
    """
    kind = next((graph for network, graph in GRAPHS if isinstance(net, network)), None)
    if kind is None:
        raise UserError(
            f'{type(net).__name__} is exported as weights alone, to .safetensors or .pth: nothing runs it but training'
        )
    if fidelity is None:
        return kind(net, size)
    require(kind is RestoredClip, f'--fidelity is an argument of PGTFormer, not of {type(net).__name__}')
    require(0 <= fidelity <= 1, f'fidelity must be between 0 and 1, not {fidelity}')
    return RestoredClip(net, size, fidelity)  # type: ignore[arg-type]
