"""Predicted codes and those of a teacher, frame by frame, for metrics of codes."""

from collections.abc import Callable, Iterable, Iterator
from itertools import tee
from typing import Any

import torch

from ..data.clip_stream import ClipStream
from ..restoration.streaming import run_windows

__all__ = ['codes_of_frames']


def codes_of_frames(
    net: Any, teacher: Any, clip: ClipStream, **streaming: Any
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Yield for each frame of a clip the logits (h, w, N) of its degraded and the codes (h, w) of its real frame.

    It is a separate pass through encoder and predictor: restoration need not carry what few runs ask for.

    Args:
        net (PGTFormer): Predicts codes.
        teacher (TSVQGAN): The autoencoder of stage I, with as many frames in a window.
        clip (ClipStream): Has ground truth.
        **streaming: How windows run, see `restoration.streaming.run_windows`.
    """
    degraded, real = tee(clip)
    num_frames = net.num_frames
    logits = _middle_frames(
        lambda window: net(window, code_only=True)[0], (lq for lq, _ in degraded), num_frames, streaming
    )
    codes = _middle_frames(teacher.encode_codes, (gt for _, gt in real), num_frames, streaming)
    return zip(logits, codes)


def _middle_frames(
    function: Callable[[torch.Tensor], torch.Tensor], frames: Iterable[Any], num_frames: int, streaming: dict[str, Any]
) -> Iterator[torch.Tensor]:
    """Yield what a function of windows (B, T, 3, H, W) gives for the middle frame of each, frame by frame."""

    def results(features, output_frames):
        return function(torch.cat(features).unflatten(0, (-1, num_frames)))[:, output_frames]

    return run_windows(lambda frame: frame, results, frames, num_frames, **streaming)
