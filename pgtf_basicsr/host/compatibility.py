"""What lets BasicSR run on CPU and on current torch, and changes no number.

Each function takes what BasicSR has and returns what takes its place; `patches` says why.
"""

import queue
import threading
from collections.abc import Callable, Iterable
from functools import wraps
from pathlib import Path
from typing import Any

import torch

from ..files import is_hidden
from . import rendezvous

__all__ = [
    'announce_epoch',
    'init_dist_without_gpu',
    'load_resume_state_on_cpu',
    'metric_results_on_device',
    'model_to_cpu',
    'prefetch_with_errors',
    'recurrent_validation_on_device',
]


def init_dist_without_gpu(init_dist: Callable) -> Callable:
    """Start torch.distributed with gloo where there is no GPU."""

    @wraps(init_dist)
    def wrapper(launcher, backend='nccl', **kwargs):
        if torch.cuda.is_available():
            return init_dist(launcher, backend, **kwargs)
        return rendezvous.init_dist(launcher, **kwargs)

    return wrapper


def model_to_cpu(model_to_device: Callable) -> Callable:
    """Wrap networks on CPU in DistributedDataParallel without the ids of CUDA devices."""

    @wraps(model_to_device)
    def wrapper(self, net):
        if not self.opt['dist'] or self.device.type != 'cpu':
            return model_to_device(self, net)
        return torch.nn.parallel.DistributedDataParallel(
            net.to(self.device), find_unused_parameters=self.opt.get('find_unused_parameters', False)
        )

    return wrapper


def metric_results_on_device(dist_validation: Callable) -> Callable:
    """Prepare tables of scores where BasicSR would make them on 'cuda', or miss those of a second dataset."""

    @wraps(dist_validation)
    def wrapper(self, dataloader, current_iter, tb_logger, save_img):
        metrics = self.opt['val'].get('metrics')
        if metrics:
            folders = list(dataloader.dataset.data_info['folder'])
            if not set(folders) <= set(getattr(self, 'metric_results', {})):
                self.metric_results = {
                    folder: torch.zeros(folders.count(folder), len(metrics), device=self.device)
                    for folder in dict.fromkeys(folders)
                }
        return dist_validation(self, dataloader, current_iter, tb_logger, save_img)

    return wrapper


def recurrent_validation_on_device(dist_validation: Callable) -> Callable:
    """Prepare the same tables, and give the model frames of its own where it would not copy them to a GPU."""
    with_tables = metric_results_on_device(dist_validation)

    @wraps(dist_validation)
    def wrapper(self, dataloader, current_iter, tb_logger, save_img):
        feed_data = self.feed_data

        def feed_views(data):
            feed_data({name: value.view_as(value) if torch.is_tensor(value) else value for name, value in data.items()})

        self.feed_data = feed_views
        try:
            return with_tables(self, dataloader, current_iter, tb_logger, save_img)
        finally:
            del self.feed_data

    return wrapper


def load_resume_state_on_cpu(load_resume_state: Callable) -> Callable:
    """Load the training state to resume from into the CPU's memory where there is no GPU."""

    @wraps(load_resume_state)
    def wrapper(opt):
        if torch.cuda.is_available():
            return load_resume_state(opt)
        from basicsr.utils import check_resume

        path = opt['path'].get('resume_state')
        if opt['auto_resume']:
            folder = Path('experiments', opt['name'], 'training_states')
            states = (file for file in folder.glob('*.state') if not is_hidden(file.name))
            path = max(states, key=lambda file: float(file.stem), default=None)
        if not path:
            return None
        opt['path']['resume_state'] = str(path)
        state = torch.load(path, map_location='cpu')
        check_resume(opt, state['iter'])
        return state

    return wrapper


def prefetch_with_errors(iterate: Callable) -> Callable:
    """Prefetch batches in a thread, and raise in the loop what the dataset raised there."""

    @wraps(iterate)
    def wrapper(self):
        return _Prefetching(torch.utils.data.DataLoader.__iter__(self), self.num_prefetch_queue)

    return wrapper


class _Prefetching(threading.Thread):
    """Iterator over the batches of another one, taken in a thread."""

    def __init__(self, batches: Iterable[Any], size: int) -> None:
        super().__init__(daemon=True)
        self._batches = batches
        self._queue: queue.Queue = queue.Queue(size)
        self.start()

    def run(self) -> None:
        try:
            for batch in self._batches:
                self._queue.put(batch)
            self._queue.put(StopIteration())
        except Exception as error:
            self._queue.put(error)

    def __iter__(self):
        return self

    def __next__(self) -> Any:
        batch = self._queue.get()
        if isinstance(batch, Exception):
            raise batch
        return batch


def announce_epoch(set_epoch: Callable) -> Callable:
    """Let the sampler announce each epoch to a dataset that ``draws_by_epoch``, as this package's do."""

    @wraps(set_epoch)
    def wrapper(self, epoch):
        set_epoch(self, epoch)
        if getattr(self.dataset, 'draws_by_epoch', False):
            self.dataset.set_epoch(epoch)

    return wrapper
