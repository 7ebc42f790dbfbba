"""Which samples an iteration takes: epochs as long as the loader makes them, entered at any place."""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial, wraps
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Sampler

from pgtf_process import end_workers_at_exit, outlive_stop_request

from ..errors import UserError
from .skipped_samples import SkippedSamples

__all__ = ['EpochSampler', 'Position', 'create_loaders', 'with_exact_epochs']


@dataclass(frozen=True)
class Position:
    """Where in its epochs a run started, and with that where any later iteration lies.

    Attributes:
        epoch (int), iteration (int): Where the run started: 0 and 0, or a training state's.
        taken (int): Batches of that epoch that had been taken before.
        epoch_length (int): Batches of an epoch, on each rank.
        batch_samples (int): Samples of an iteration, over all ranks.
    """

    epoch: int
    iteration: int
    taken: int
    epoch_length: int
    batch_samples: int

    def at(self, iteration: int) -> tuple[int, int]:
        """(epoch, samples of that epoch taken) after an iteration."""
        batches = self.taken + iteration - self.iteration
        if batches == 0:
            return self.epoch, 0
        epochs, batch = divmod(batches - 1, self.epoch_length)
        return self.epoch + epochs, (batch + 1) * self.batch_samples


def with_exact_epochs(create_train_val_dataloader: Callable) -> Callable:
    """Give epochs the length that loaders make of them, and draws of their own to each, see `create_loaders`."""

    @wraps(create_train_val_dataloader)
    def wrapper(opt, logger):
        return create_loaders(create_train_val_dataloader, opt, logger)[0]

    return wrapper


def create_loaders(
    create_train_val_dataloader: Callable, opt: dict, logger: Any, state: dict | None = None
) -> tuple[tuple, Position]:
    """Create BasicSR's loaders, with epochs counted by the batches they really give, entered where a state stands.

    BasicSR rounds the last, incomplete batch up while the loader drops it: the loop would end early, with a
    dataset smaller than a batch before its first iteration, and with status 0.

    Args:
        create_train_val_dataloader (Callable): BasicSR's.
        opt (dict): The run's options.
        logger (logging.Logger): For BasicSR's function.
        state (dict | None): The training state that the run resumes from.

    Returns:
        tuple: What BasicSR's function returns, and the `Position`.

    Raises:
        UserError: If not even one iteration can be made.
    """
    options = opt['datasets']['train']
    # A dataset sees only its own section; there its draws start from the run's seed.
    options.setdefault('seed', opt['manual_seed'])
    loader, enlarged, val_loaders, _, total_iters = create_train_val_dataloader(opt, logger)
    length = len(loader)
    if length == 0:
        raise UserError(
            f'no iteration can be made: this process gets {len(enlarged)} samples an epoch of '
            f'datasets.train, fewer than batch_size_per_gpu {options["batch_size_per_gpu"]}'
        )

    epoch, iteration, taken = 0, 0, 0
    if state:
        epoch, iteration = state['epoch'], state['iter']
        # States of BasicSR itself do not say how far the epoch had come.
        taken = state.get('samples', 0) // opt['world_size'] // loader.batch_size
    end_workers_at_exit()
    loader.worker_init_fn = partial(start_worker, rank=opt.get('rank', 0))
    # Workers draw their seeds from here and not from the generator that the networks draw from.
    loader.generator = torch.Generator()
    sampler = EpochSampler(enlarged, opt['manual_seed'], loader.generator, (epoch, taken * loader.batch_size))
    loader.batch_sampler.sampler = sampler
    # The loop runs one epoch more than it is told.
    last_epoch = epoch + math.ceil((taken + total_iters - iteration) / length) - 1
    position = Position(epoch, iteration, taken, length, loader.batch_size * opt['world_size'])
    return (TrainingLoader(loader), sampler, val_loaders, last_epoch, total_iters), position


class EpochSampler(Sampler):
    """BasicSR's sampler, entered in the middle of an epoch, whose epochs dataset and workers learn.

    Args:
        sampler (EnlargedSampler): BasicSR's.
        seed (int): Of the run.
        worker_seeds (torch.Generator): That the loader draws the seeds of its workers from.
        entry (tuple[int, int]): The epoch that the run starts in, and the samples of it that had been taken before.
    """

    def __init__(self, sampler: Any, seed: int, worker_seeds: torch.Generator, entry: tuple[int, int]) -> None:
        self.sampler = sampler
        self.seed = seed
        self.worker_seeds = worker_seeds
        self.entry = entry

    def set_epoch(self, epoch: int) -> None:
        """Begin an epoch: order of samples, workers' seeds and the dataset's draws follow from it."""
        self.sampler.set_epoch(epoch)
        self.worker_seeds.manual_seed(hash((self.seed, epoch)) % 2**63)
        if hasattr(self.sampler.dataset, 'set_epoch'):
            self.sampler.dataset.set_epoch(epoch)

    def __iter__(self) -> Iterator[int]:
        epoch, taken = self.entry
        return islice(iter(self.sampler), taken if epoch == self.sampler.epoch else 0, None)

    def __len__(self) -> int:
        return len(self.sampler)


class TrainingLoader:
    """A loader as the loop's prefetcher takes it: samples that were skipped are logged.

    It starts its workers with the first batch: BasicSR's CPUPrefetcher asks for an iterator when it is made, and the
    loop resets it before it takes a batch, so that they would be started twice.
    """

    def __init__(self, loader: DataLoader) -> None:
        self.loader = loader
        self.dataset = loader.dataset
        self.skipped = SkippedSamples()

    def __iter__(self) -> Iterator[Any]:
        for batch in self.loader:
            self.skipped.report(batch)
            yield batch

    def __len__(self) -> int:
        return len(self.loader)


def start_worker(worker_id: int, rank: int) -> None:
    """Seed a data worker; BasicSR's repeat their draws in every epoch.

    NumPy and Python start from torch's seed of this worker and epoch, and from the rank.
    """
    seeds = np.random.SeedSequence((torch.initial_seed(), rank)).generate_state(2)
    np.random.seed(seeds[0])
    random.seed(int(seeds[1]))
    outlive_stop_request()
