"""Adapts BasicSR 1.4.2 to current torch and torchvision, on CPU as well as on CUDA.

Only here, and in `training.starting`, which is called from here, anything of the installed
BasicSR is changed, from outside and at import: spawned data workers and foreign projects import
the package, not the command.  Each function below mends one thing and says which; nothing
happens where BasicSR already does it right, so its later versions work as well.
"""

import functools
import importlib
import importlib.util
import sys
import types
import warnings

import torch
import yaml

from ..errors import UserError
from ..ranks import average_in_rank_order
from ..safe_yaml import SafeLoader
from .rendezvous import init_dist

__all__ = ['mend_basicsr', 'postpone_compiler', 'restore_removed_modules']


def postpone_compiler():
    """Import torchvision, which BasicSR does, without the compiler that it takes along.

    ``torch._dynamo`` costs a second and 0.17 GB, for one function by which ``torchvision.ops.roi_align`` asks whether
    it may compile.  Here it asks, and the compiler is imported, when that is called.
    """
    if 'torch._dynamo' in sys.modules:
        return
    package, utils = _Postponed('torch._dynamo'), _Postponed('torch._dynamo.utils')
    package.__path__ = importlib.util.find_spec('torch._dynamo').submodule_search_locations
    utils.is_compile_supported = lambda device_type: importlib.import_module(utils.__name__).is_compile_supported(
        device_type
    )
    sys.modules |= {module.__name__: module for module in (package, utils)}
    try:
        importlib.import_module('torchvision')
    finally:
        _Postponed.end()


def restore_removed_modules():
    """Give back two module paths that BasicSR imports and newer libraries dropped.

    ``torchvision.transforms.functional_tensor`` went with torchvision 0.17 and
    ``scipy.ndimage.filters`` goes with SciPy 2; what BasicSR takes from them lives elsewhere.
    """
    _alias('torchvision.transforms.functional_tensor', 'torchvision.transforms.functional', ['rgb_to_grayscale'])
    _alias('scipy.ndimage.filters', 'scipy.ndimage', ['convolve'])


def mend_basicsr():
    """Replace what fails in BasicSR 1.4.2 without a GPU, under torchrun, on unsafe YAML, or on resuming."""
    from basicsr import data
    from basicsr.data.data_sampler import EnlargedSampler
    from basicsr.data.prefetch_dataloader import CPUPrefetcher, CUDAPrefetcher, PrefetchGenerator
    from basicsr.models.base_model import BaseModel
    from basicsr.models.lr_scheduler import CosineAnnealingRestartLR
    from basicsr.models.video_base_model import VideoBaseModel
    from basicsr.utils import dist_util, options

    from ..training import epochs, starting
    from . import skipped_samples

    # `options` holds its own reference to init_dist.
    dist_util.init_dist = options.init_dist = init_dist
    options.ordered_yaml = ordered_yaml
    BaseModel.model_to_device = model_to_device
    BaseModel.get_optimizer = get_optimizer
    BaseModel.model_ema = model_ema
    BaseModel.update_learning_rate = update_learning_rate
    CosineAnnealingRestartLR.get_lr = _held_after_last_period(CosineAnnealingRestartLR.get_lr)
    VideoBaseModel.dist_validation = _with_metric_results_on_device(VideoBaseModel.dist_validation)
    EnlargedSampler.set_epoch = epochs.announcing_epoch(EnlargedSampler.set_epoch)
    EnlargedSampler.__iter__ = epochs.from_position(EnlargedSampler.__iter__)
    data.worker_init_fn = epochs.start_worker
    PrefetchGenerator.run, PrefetchGenerator.__next__ = _prefetch, _next_prefetched
    CPUPrefetcher.__init__ = _prefetcher_at_rest
    for prefetcher in (CPUPrefetcher, CUDAPrefetcher):
        prefetcher.next = skipped_samples.telling_left_out(prefetcher.next)
    starting.take_over()


def ordered_yaml():
    """Return (loader, dumper) as BasicSR's function of this name, but safe ones."""
    return SafeLoader, yaml.SafeDumper


def model_to_device(self, net):
    """Move ``net`` to the model's device and wrap it for data parallel training.

    BasicSR passes CUDA device ids to DistributedDataParallel even on CPU.
    """
    net = net.to(self.device)
    if self.opt['dist']:
        on_cuda = self.device.type == 'cuda'
        net = torch.nn.parallel.DistributedDataParallel(
            net,
            device_ids=[torch.cuda.current_device()] if on_cuda else None,
            find_unused_parameters=self.opt.get('find_unused_parameters', False),
        )
        if not on_cuda:
            net.register_comm_hook(None, average_in_rank_order)
        return net
    if self.opt['num_gpu'] > 1:
        return torch.nn.DataParallel(net)
    return net


def get_optimizer(self, optim_type, params, lr, **kwargs):
    """Build any optimiser of torch.optim; BasicSR knows Adam alone."""
    optimizer_type = getattr(torch.optim, optim_type, None)
    if optimizer_type is None:
        raise UserError(f'torch.optim has no optimizer {optim_type}')
    return optimizer_type(params, lr=lr, **kwargs)


@torch.no_grad()
def model_ema(self, decay=0.999):
    """Move the EMA network towards net_g; buffers are taken over as they are.

    BasicSR leaves buffers out: statistics of BatchNorm stay as they were initialised.
    """
    net, ema = self.get_bare_model(self.net_g), self.get_bare_model(self.net_g_ema)
    for averaged, parameter in zip(ema.parameters(), net.parameters()):
        averaged.lerp_(parameter, 1 - decay)
    for averaged, buffer in zip(ema.buffers(), net.buffers()):
        averaged.copy_(buffer)


def update_learning_rate(self, current_iter, warmup_iter=-1):
    """Set the learning rates of an iteration: the schedule's, or before ``warmup_iter`` a linear part of the first.

    In BasicSR MultiStepLR goes on from the rate that the last iteration of the warm-up left.
    """
    if current_iter > 1:
        for scheduler in self.schedulers:
            for group, scheduled in zip(scheduler.optimizer.param_groups, scheduler.get_last_lr()):
                group['lr'] = scheduled
            scheduler.step()
    if current_iter < warmup_iter:
        self._set_lr([[rate / warmup_iter * current_iter for rate in rates] for rates in self._get_init_lr()])


class _Postponed(types.ModuleType):
    """Stands for a module until more is wanted of it than what was put here; then that is imported after all."""

    def __getattr__(self, name):
        if name.startswith('__'):
            raise AttributeError(name)
        self.end()
        return getattr(importlib.import_module(self.__name__), name)

    @staticmethod
    def end():
        """Take away all that stand for others."""
        for name, module in list(sys.modules.items()):
            if isinstance(module, _Postponed):
                del sys.modules[name]


def _alias(missing, present, names):
    """Make ``import missing`` work by taking ``names`` from the module ``present``."""
    try:
        importlib.import_module(missing)
    except ModuleNotFoundError:
        source = importlib.import_module(present)
        module = types.ModuleType(missing)
        for name in names:
            setattr(module, name, getattr(source, name))
        sys.modules[missing] = module


def _with_metric_results_on_device(dist_validation):
    """Prepare the tables that ``VideoBaseModel.dist_validation`` would allocate on 'cuda' alone,
    and only once, whatever data set comes next."""

    @functools.wraps(dist_validation)
    def wrapper(self, dataloader, current_iter, tb_logger, save_img):
        metrics = self.opt['val'].get('metrics')
        if metrics:
            folders = dataloader.dataset.data_info['folder']
            self.metric_results = {
                folder: torch.zeros(folders.count(folder), len(metrics), device=self.device)
                for folder in dict.fromkeys(folders)
            }
        return dist_validation(self, dataloader, current_iter, tb_logger, save_img)

    return wrapper


def _held_after_last_period(get_lr):
    """Keep the last rate of CosineAnnealingRestartLR once its periods are over, where BasicSR raises a TypeError."""

    @functools.wraps(get_lr)
    def wrapper(self):
        epoch = self.last_epoch
        self.last_epoch = min(epoch, self.cumulative_period[-1])
        try:
            return get_lr(self)
        finally:
            self.last_epoch = epoch

    return wrapper


def _prefetch(self):
    """Fill the queue of ``prefetch_mode: cpu``; an error of the data set goes into it, or BasicSR's loop would hang."""
    try:
        for item in self.generator:
            self.queue.put(item)
        self.queue.put(None)
    except Exception as error:
        self.queue.put(error)


def _next_prefetched(self):
    item = self.queue.get()
    if item is None:
        raise StopIteration
    if isinstance(item, Exception):
        raise item
    return item


def _prefetcher_at_rest(self, loader):
    """BasicSR's loop resets the prefetcher before it takes a batch: to start it here would start workers twice."""
    self.ori_loader = loader
    self.loader = iter(())


postpone_compiler()
restore_removed_modules()
with warnings.catch_warnings():
    # BasicSR's own use of names that its libraries have announced to drop.
    warnings.simplefilter('ignore', DeprecationWarning)
    mend_basicsr()
