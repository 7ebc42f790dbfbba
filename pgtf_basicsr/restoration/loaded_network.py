"""A network that is loaded when it is first needed, and kept."""

from argparse import ArgumentParser
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import torch
from basicsr.utils import get_root_logger

from ..archs import PGTFormer
from ..archs.inference import for_inference
from ..config.packaged.files import find_option_file
from ..devices import PRECISIONS, find_device
from ..hub import find_weights
from .jobs import file_digest
from .networks import load_network
from .settings import Settings

__all__ = ['LoadedNetwork', 'add_arithmetic_options']


def add_arithmetic_options(parser: ArgumentParser) -> None:
    """Add the arguments ``--precision`` and ``--device`` of commands that restore."""
    parser.add_argument(
        '--precision',
        choices=list(PRECISIONS),
        default=Settings.precision,
        help='number format: bf16 and fp16 are faster where the hardware supports them (default: %(default)s)',
    )
    parser.add_argument('--device', default=Settings.device, help='auto, cpu, cuda or cuda:N (default: %(default)s)')


class LoadedNetwork:
    """A PGTFormer made ready to restore, on a device.

    Args:
        weights (str | Path): A file that `checkpoints.read_checkpoint` reads, or one on the Hub, see
            `hub.find_weights`.
        option_file (str | Path, optional): As of `networks.load_network`.
        device (str): As of `devices.find_device`.
        precision (str): One of `devices.PRECISIONS`.

    Attributes:
        device (torch.device): The device.
        precision (str): The precision.

    Raises:
        UserError: This machine has no such device, or weights on the Hub cannot be fetched.
    """

    def __init__(self, weights: str | Path, option_file: str | Path | None, device: str, precision: str):
        self._weights, self._option_file = find_weights(weights), option_file
        self.device, self.precision = find_device(device), precision
        if precision != 'fp32' and self.device.type == 'cpu' and torch.backends.cpu.get_cpu_capability() == 'AVX2':
            get_root_logger().warning(
                f'This processor has no {precision} arithmetic: {precision} will take many times longer than fp32.'
            )

    @cached_property
    def net(self) -> PGTFormer:
        """The network.

        Raises:
            UserError: A file is missing, unreadable or does not fit.
        """
        net = load_network(self._weights, self._option_file)
        return cast(PGTFormer, for_inference(net.to(self.device), PRECISIONS[self.precision]))

    @cached_property
    def description(self) -> dict[str, Any]:
        """What its results depend on, in types of JSON."""
        option_file = None if self._option_file is None else file_digest(Path(find_option_file(self._option_file)))
        return {'weights': file_digest(self._weights), 'option file': option_file}
