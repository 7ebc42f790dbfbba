"""CUDA graphs: the thousand kernels of a frame and its window launched as two.

Launching a kernel from Python takes 5 to 20 microseconds, which for most of them is longer than they run. A graph is
recorded once for a size of frames and a number of windows, and then replayed.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

__all__ = ['GraphedFunction']


class Recording(NamedTuple):
    """A graph, the tensors it reads and the tensors it writes."""

    graph: torch.cuda.CUDAGraph
    inputs: list[Tensor]
    results: list[Tensor]


class GraphedFunction:
    """A function of tensors on a GPU that is recorded as a CUDA graph and replayed.

    The first call with tensors of some shapes runs the function itself: libraries choose their kernels in it, tables
    are made, and what is called once is not recorded.

    Args:
        function (Callable): Maps a list of tensors to a list of tensors. It must not wait for the GPU, and what it
            launches may depend on shapes alone.
    """

    def __init__(self, function: Callable[[list[Tensor]], list[Tensor]]) -> None:
        self.function = function
        self.recordings: dict[tuple[object, ...], Recording | None] = {}

    def __call__(self, inputs: list[Tensor]) -> list[Tensor]:
        """Run the function; the next call may overwrite the result."""
        key = tuple((x.shape, x.stride(), x.dtype, x.device) for x in inputs)
        if key not in self.recordings:
            self.recordings[key] = None
            return self.function(inputs)
        recording = self.recordings[key]
        if recording is None:
            recording = self.recordings[key] = self.record(inputs)
        for place, x in zip(recording.inputs, inputs):
            place.copy_(x)
        recording.graph.replay()
        return recording.results

    def record(self, inputs: list[Tensor]) -> Recording:
        """Record the function as a graph for inputs of these shapes."""
        with torch.cuda.device(inputs[0].device):
            places, graph = [x.clone() for x in inputs], torch.cuda.CUDAGraph()
            # Threads that decode and encode may go on.
            with torch.cuda.graph(graph, capture_error_mode='thread_local'):
                results = self.function(list(places))
        return Recording(graph, places, results)
