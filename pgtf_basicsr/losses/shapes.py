"""Checks of the tensors that losses compare."""

from torch import Tensor

__all__ = ['check_clip', 'check_same_shape', 'fold_frames']


def check_same_shape(pred: Tensor, target: Tensor) -> None:
    """Raise ValueError unless both have one shape: broadcasting would give a wrong loss silently."""
    if pred.shape != target.shape:
        raise ValueError(f'pred and target must have the same shape, got {tuple(pred.shape)} and {tuple(target.shape)}')


def check_clip(video: Tensor) -> None:
    """Raise ValueError unless ``video`` is (B, T, C, H, W) with at least two frames."""
    if video.dim() != 5 or video.size(1) < 2:
        raise ValueError(f'expected a video (B, T, C, H, W) with T of 2 or more, got {tuple(video.shape)}')


def fold_frames(frames: Tensor) -> Tensor:
    """View (B, T, C, H, W) as (B·T, C, H, W); (N, C, H, W) stays as it is, other shapes raise ValueError."""
    if frames.dim() not in (4, 5):
        raise ValueError(f'expected frames (N, C, H, W) or (B, T, C, H, W), got {tuple(frames.shape)}')
    return frames.flatten(0, -4)
