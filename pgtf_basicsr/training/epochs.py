"""Which samples an iteration takes: epochs as long as the loader makes them, entered at any place."""

import math
import random
from dataclasses import dataclass
from functools import wraps
from itertools import islice

import numpy as np
import torch

from ..errors import UserError
from .interruption import end_workers_at_exit, outlive_stop_request

__all__ = ['Position', 'announcing_epoch', 'from_position', 'loaders_from', 'start_worker']


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

    def at(self, iteration):
        """(epoch, samples of that epoch taken) after an iteration."""
        batches = self.taken + iteration - self.iteration
        if batches == 0:
            return self.epoch, 0
        epochs, batch = divmod(batches - 1, self.epoch_length)
        return self.epoch + epochs, (batch + 1) * self.batch_samples


def loaders_from(create_train_val_dataloader, opt, logger, state=None):
    """BasicSR's loaders, with the epochs counted by the batches they really give, entered where a state stands.

    BasicSR rounds the last, incomplete batch up while the loader drops it: the loop would end early, with a
    data set smaller than a batch before its first iteration, and with status 0.

    Args:
        create_train_val_dataloader (Callable): BasicSR's.
        opt (dict): The run's options.
        logger (logging.Logger): For BasicSR's function.
        state (dict | None): The training state that the run goes on from.

    Returns:
        tuple: What BasicSR's function returns, and the `Position`.

    Raises:
        UserError: If not even one iteration can be made.
    """
    options = opt['datasets']['train']
    # A data set sees only its own section; there its draws start from the run's seed.
    options.setdefault('seed', opt['manual_seed'])
    end_workers_at_exit()
    train_loader, train_sampler, val_loaders, _, total_iters = create_train_val_dataloader(opt, logger)
    length = len(train_loader)
    if length == 0:
        raise UserError(
            f'no iteration can be made: this process gets {len(train_sampler)} samples an epoch of '
            f'datasets.train, fewer than batch_size_per_gpu {options["batch_size_per_gpu"]}'
        )

    # Workers draw their seeds from here and not from the generator that the networks draw from.
    train_loader.generator = train_sampler.worker_seeds = torch.Generator()
    train_sampler.seed = opt['manual_seed']
    epoch, iteration, taken = 0, 0, 0
    if state:
        epoch, iteration = state['epoch'], state['iter']
        # States of BasicSR itself do not say how far the epoch had come.
        samples = state.get('samples', 0)
        taken = samples // opt['world_size'] // train_loader.batch_size
        train_sampler.entry = epoch, taken * train_loader.batch_size
    # The loop runs one epoch more than it is told.
    last_epoch = epoch + math.ceil((taken + total_iters - iteration) / length) - 1
    position = Position(epoch, iteration, taken, length, train_loader.batch_size * opt['world_size'])
    return (train_loader, train_sampler, val_loaders, last_epoch, total_iters), position


def from_position(iterate):
    """Let ``EnlargedSampler.__iter__`` leave out what had been taken of the epoch in which the run goes on."""

    @wraps(iterate)
    def wrapper(self):
        epoch, taken = getattr(self, 'entry', (None, 0))
        return islice(iterate(self), taken if epoch == self.epoch else 0, None)

    return wrapper


def announcing_epoch(set_epoch):
    """Let ``EnlargedSampler.set_epoch`` tell data set and workers which epoch begins: their draws follow from it."""

    @wraps(set_epoch)
    def wrapper(self, epoch):
        set_epoch(self, epoch)
        if hasattr(self, 'worker_seeds'):
            self.worker_seeds.manual_seed(hash((self.seed, epoch)) % 2**63)
        if hasattr(self.dataset, 'set_epoch'):
            self.dataset.set_epoch(epoch)

    return wrapper


def start_worker(worker_id, num_workers, rank, seed):
    """Take the place of BasicSR's ``worker_init_fn``, whose workers repeat their draws in every epoch.

    NumPy and Python start from torch's seed of this worker and epoch, and from the rank.
    """
    seeds = np.random.SeedSequence((torch.initial_seed(), rank)).generate_state(2)
    np.random.seed(seeds[0])
    random.seed(int(seeds[1]))
    outlive_stop_request()
