"""The network that restores a video: loading it, and the size and number of windows it works on."""

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import cast

import torch

from ..archs import PGTFormer, loading
from ..archs.input_requirements import InputRequirements
from ..archs.loading import find_network, type_of
from ..checkpoints import read_checkpoint
from ..devices import is_out_of_memory
from ..errors import require
from ..hub import find_weights

__all__ = ['batch_that_fits', 'fit_size', 'load_network']

# Numbers of windows that are tried. More fill no GPU better.
BATCH_SIZES = (8, 4, 2)
# Of a GPU's free memory that one process takes of itself.
SHARE = 0.8


def load_network(weights: str | Path, option_file: str | Path | None = None) -> PGTFormer:
    """Build the network that the weights belong to, in eval mode, with the weights loaded.

    Args:
        weights (str | Path): A file that `checkpoints.read_checkpoint` reads, or one on the Hub, see
            `hub.find_weights`.
        option_file (str | Path, optional): Option file whose `network_g` is the network. Default: the network that
            the weights name, or else the published one.

    Returns:
        PGTFormer: On the CPU.

    Raises:
        UserError: A file is missing or unreadable, the network cannot be built or is not one that restores, or the
            weights do not fit it.
    """
    checkpoint = read_checkpoint(find_weights(weights))
    network, name = find_network(checkpoint, option_file)
    require(
        type_of(network) == 'PGTFormer',
        f'{name} does not restore: its type must be PGTFormer, which stages II to IV train',
    )
    return cast(PGTFormer, loading.load_network(checkpoint, network, name))


def fit_size(
    width: float | Fraction, height: float | Fraction, short_side: int, requirements: InputRequirements
) -> tuple[int, int]:
    """Compute the size at which the network works: the same shape, as nearly as the network allows.

    Args:
        width (float | Fraction): Width of the video in square pixels.
        height (float | Fraction): Height of the video in square pixels.
        short_side (int): Short side of the result in pixels.
        requirements (InputRequirements): The network's.

    Returns:
        tuple[int, int]: Width and height in pixels.

    Raises:
        UserError: The network does not accept a shorter side of `short_side`.
    """
    require(
        requirements.accepts_side(short_side),
        f'size must be a multiple of {requirements.multiple_of} and at least {requirements.minimum}, not {short_side}',
    )
    scale = short_side / min(width, height)
    return requirements.nearest(width * scale), requirements.nearest(height * scale)


def batch_that_fits(run: Callable[[int], object], device: torch.device) -> int:
    """Find the number of windows in one pass that free memory of a GPU allows, at most 8, by trial.

    On a CPU it is 1: more are no faster there.

    Args:
        run (Callable): Makes a pass of as many windows as it is told, as all later ones will be.
        device (torch.device): Where it makes it.
    """
    if device.type != 'cuda':
        return 1
    free, _ = torch.cuda.mem_get_info(device)
    for batch_size in BATCH_SIZES:
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_reserved(device)
        try:
            run(batch_size)
            # Some drivers move what does not fit to the host's memory instead, where it is slow.
            if torch.cuda.max_memory_reserved(device) - before <= SHARE * free:
                return batch_size
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        torch.cuda.empty_cache()
    return 1
