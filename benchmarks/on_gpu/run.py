"""What the sections of a run share."""

import traceback
from contextlib import contextmanager
from copy import deepcopy
from dataclasses import dataclass, field
from pathlib import Path

import torch

from pgtf_basicsr.archs import PGTFormer
from pgtf_basicsr.archs.inference import for_inference

from .results import Results
from .timing import DTYPES, arithmetic, release


@dataclass
class Run:
    """A run of the sections.

    Attributes:
        device (torch.device): Where it runs.
        size (int): Side of the frames.
        weights, clip (Path | None): Trained weights, and a video of one face.
        results (Results): Where the rows go.
        peaks (dict): {'product': {precision: TFLOP/s}, 'convolution': the same, 'bandwidth': GB/s}, as far as they
            were measured.
    """

    device: torch.device
    size: int
    weights: Path | None
    clip: Path | None
    results: Results
    peaks: dict = field(default_factory=dict)
    networks: dict = field(default_factory=dict)

    @property
    def precisions(self):
        """Those that the device has arithmetic for."""
        return tuple(DTYPES) if self.device.type == 'cuda' else ('bf16', 'fp32')

    def plain(self):
        """The paper's network as it is trained, in fp32."""
        if 'plain' not in self.networks:
            torch.manual_seed(0)
            self.networks['plain'] = PGTFormer().eval().requires_grad_(False).to(self.device)
        return self.networks['plain']

    def fast(self, precision):
        """The same network, arranged for inference in a precision; one for each, because it may keep tables."""
        if precision not in self.networks:
            with arithmetic(precision):
                self.networks[precision] = for_inference(deepcopy(self.plain()), DTYPES[precision])
        return self.networks[precision]

    def drop_networks(self):
        self.networks.clear()
        release(self.device)

    def share(self, kind, precision, rate):
        """Share of a peak that TFLOP/s are; None where the peak was not measured."""
        peak = self.peaks.get(kind, {}).get(precision)
        return rate / peak if peak else None

    @contextmanager
    def attempt(self, section, **labels):
        """Make a row of an error, so that what comes after it is measured all the same."""
        try:
            yield
        except Exception as error:
            traceback.print_exc()
            reason = str(error).strip().splitlines() or ['']
            self.results.add(section, **labels, error=f'{type(error).__name__}: {reason[0][:160]}')
            release(self.device)
