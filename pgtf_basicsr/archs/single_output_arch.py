"""Adapter of networks with other shapes or several outputs to BasicSR's models: one tensor in, one tensor out."""

from collections.abc import Mapping
from typing import Any, Literal

import torch
from basicsr.archs import build_network
from basicsr.utils.registry import ARCH_REGISTRY
from torch import Tensor, nn

from ..config.registered_sections import Network

__all__ = ['SingleOutputNetwork']


@ARCH_REGISTRY.register()
class SingleOutputNetwork(nn.Module):
    """Run a network in BasicSR's image and video models, which take one tensor from it::

        network_g:
          type: SingleOutputNetwork
          network: {type: TSVQGAN, num_frames: 3}

    Of several outputs the first is taken: of TSVQGAN the reconstruction, of FaceParsingNet the logits of the main head.
    A network of clips, one with an attribute ``num_frames`` T, restores an image as the middle of T equal frames, and a
    clip of another length by a window of T frames around each frame, with the first and last one repeated. Any other
    network restores a clip frame by frame.

    The state dict is that of the network, without a prefix, so that checkpoints fit both.

    Args:
        network (dict): Type and arguments of any registered network.
        output_frames (str): Frames of a clip that are returned: ``all``, or ``centre``, the middle one alone, as models
            such as VideoBaseModel expect.
    """

    def __init__(self, network: Network, output_frames: Literal['all', 'centre'] = 'all') -> None:
        super().__init__()
        self.network = build_network(network)
        self.output_frames = output_frames
        self.num_frames: int | None = getattr(self.network, 'num_frames', None)

    def forward(self, frames: Tensor) -> Tensor:
        """Restore images or clips.

        Args:
            frames (Tensor): (N, C, H, W) or (B, L, C, H, W).

        Returns:
            Tensor: (N, C', H', W'), or (B, L, C', H', W'), or (B, C', H', W') where the centre alone is returned.
        """
        num_frames = self.num_frames
        if num_frames is None:
            return self._frame_by_frame(frames)
        if frames.dim() == 4:
            return self._middle(frames.unsqueeze(1).expand(-1, num_frames, -1, -1, -1))
        windows = _windows(frames.size(1), num_frames)
        if self.output_frames == 'centre':
            return self._middle(frames[:, windows[frames.size(1) // 2]])
        if frames.size(1) == num_frames:
            return self._first_output(frames)
        return torch.stack([self._middle(frames[:, window]) for window in windows], dim=1)

    def state_dict(self, *args: Any, **kwargs: Any) -> Any:
        """Return the state dict of the network."""
        return self.network.state_dict(*args, **kwargs)

    def load_state_dict(self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False) -> Any:
        """Load a state dict of the network."""
        return self.network.load_state_dict(state_dict, strict=strict, assign=assign)

    def _frame_by_frame(self, frames: Tensor) -> Tensor:
        if frames.dim() == 4:
            return self._first_output(frames)
        if self.output_frames == 'centre':
            return self._first_output(frames[:, frames.size(1) // 2])
        return self._first_output(frames.flatten(0, 1)).unflatten(0, frames.shape[:2])

    def _middle(self, window: Tensor) -> Tensor:
        """Restore the middle frame of a window (B, T, C, H, W)."""
        return self._first_output(window)[:, window.size(1) // 2]

    def _first_output(self, frames: Tensor) -> Tensor:
        output = self.network(frames)
        return output[0] if isinstance(output, (tuple, list)) else output


def _windows(length: int, num_frames: int) -> Tensor:
    """Return the places (length, num_frames) of the frames of the window around each frame of a clip."""
    offsets = torch.arange(num_frames) - num_frames // 2
    return (torch.arange(length).unsqueeze(1) + offsets).clamp(0, length - 1)
