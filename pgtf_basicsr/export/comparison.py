"""Whether an exported network computes what the original does."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from ..errors import UserError
from .graphs import Graph

__all__ = ['Difference', 'Run', 'check_outputs', 'seeded_batch']

# Runs an exported network: a batch in, its outputs in the order of `Graph.outputs`.
Run = Callable[[Tensor], Sequence[Tensor]]

# A quarter of a level of 8 bits, of outputs in [0, 1]; of larger ones that share of the largest.
TOLERANCE = 1e-3
# A code whose two best logits are equal but for rounding may be either in sums of another order, with quite another
# result: the next batch decides.
SEEDS = (0, 1, 2)


class Difference(NamedTuple):
    """Difference of two outputs.

    Attributes:
        output (str): Name of the output that differs most.
        shape (tuple[int]): Its shape.
        largest (float): Largest absolute difference of two values.
        allowed (float): How large it may be.
    """

    output: str
    shape: tuple[int, ...]
    largest: float
    allowed: float


@torch.no_grad()
def check_outputs(graph: Graph, run: Run) -> Difference:
    """Compare an exported network with the original on a batch of two, and on a batch of one of them.

    Args:
        graph (Graph): The original. It takes the two one by one.
        run (Run): Runs the exported network.

    Returns:
        Difference: The largest one.

    Raises:
        UserError: It is larger than allowed, on each of several batches.
    """
    for seed in SEEDS:
        difference = _largest_difference(graph, run, seeded_batch(graph.shape, 2, seed))
        if difference.largest <= difference.allowed:
            return difference
    raise UserError(
        f'the exported network is not the original: {difference.output} of shape '
        f'{"×".join(map(str, difference.shape))} differs by up to {difference.largest:.2g}, '
        f'{difference.allowed:.2g} are allowed'
    )


def seeded_batch(shape: Sequence[int], count: int, seed: int) -> Tensor:
    """Draw smooth images in [0, 1] that move a little from frame to frame; (count, *shape), the same for a seed."""
    generator = torch.Generator().manual_seed(seed)
    *leading, height, width = count, *shape
    # A value for 8 pixels, and one more on each side.
    coarse = torch.rand(*leading, height // 8 + 2, width // 8 + 2, generator=generator)
    if len(leading) == 3:
        coarse = 0.8 * coarse[:, :1] + 0.2 * coarse
    smooth = F.interpolate(coarse.flatten(0, -4), (height, width), mode='bilinear', align_corners=True)
    return smooth.reshape(count, *shape)


def _largest_difference(graph: Graph, run: Run, batch: Tensor) -> Difference:
    expected = [torch.cat(outputs) for outputs in zip(*(graph(item) for item in batch.split(1)))]
    differences = []
    for count in (2, 1):
        for name, whole, found in zip(graph.outputs, expected, run(batch[:count])):
            original = whole[:count]
            if found.shape != original.shape:
                raise UserError(
                    f'the exported network is not the original: {name} has the shape '
                    f'{"×".join(map(str, found.shape))}, not {"×".join(map(str, original.shape))}'
                )
            largest = (found.double() - original.double()).abs().max().item()
            # Not a number is larger than anything.
            largest = largest if largest == largest else float('inf')
            allowed = TOLERANCE * max(1.0, original.abs().max().item()) if original.is_floating_point() else 0.0
            differences.append(Difference(name, tuple(found.shape), largest, allowed))
    return max(differences, key=lambda difference: difference.largest / max(difference.allowed, TOLERANCE))
