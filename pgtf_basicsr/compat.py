"""Adapts BasicSR 1.4.2 to current torch and torchvision, on CPU as well as on CUDA.

This is the only module that changes anything of the installed BasicSR, and it does so from
outside, at import: spawned data workers and foreign projects import the package, not the
command.  Each function below mends one thing and says which; nothing happens where BasicSR
already does it right, so its later versions work as well.
"""
import functools
import importlib
import math
import multiprocessing
import os
import re
import subprocess
import sys
import types
import warnings
from datetime import timedelta

import torch
import yaml
from torch import distributed as dist

from .errors import UserError

__all__ = ['SafeLoader', 'mend_basicsr', 'restore_removed_modules']

# A collective that takes longer than this means that a rank is gone.
DEFAULT_TIMEOUT = timedelta(minutes=30)


def restore_removed_modules():
    """Give back two module paths that BasicSR imports and newer libraries dropped.

    ``torchvision.transforms.functional_tensor`` went with torchvision 0.17 and
    ``scipy.ndimage.filters`` goes with SciPy 2; what BasicSR takes from them lives elsewhere.
    """
    _alias('torchvision.transforms.functional_tensor', 'torchvision.transforms.functional', ['rgb_to_grayscale'])
    _alias('scipy.ndimage.filters', 'scipy.ndimage', ['convolve'])


def mend_basicsr():
    """Replace what fails in BasicSR 1.4.2 without a GPU, under torchrun, or on unsafe YAML."""
    from basicsr import train
    from basicsr.data.data_sampler import EnlargedSampler
    from basicsr.models.base_model import BaseModel
    from basicsr.models.video_base_model import VideoBaseModel
    from basicsr.utils import dist_util, options

    # `options` holds its own reference to init_dist.
    dist_util.init_dist = options.init_dist = init_dist
    options.ordered_yaml = ordered_yaml
    train.load_resume_state = load_resume_state
    train.create_train_val_dataloader = _seeded_and_counted(train.create_train_val_dataloader)
    BaseModel.model_to_device = model_to_device
    VideoBaseModel.dist_validation = _with_metric_results_on_device(VideoBaseModel.dist_validation)
    EnlargedSampler.set_epoch = _announcing_epoch(EnlargedSampler.set_epoch)


class SafeLoader(yaml.SafeLoader):
    """YAML without object construction, and with ``1e-4`` read as the number it is."""

    def construct_mapping(self, node, deep=False):
        seen = set()
        for key_node, _ in node.value:
            if key_node.value in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f'the key {key_node.value!r} stands twice in one section', key_node.start_mark)
            if isinstance(key_node, yaml.ScalarNode):
                seen.add(key_node.value)
        return super().construct_mapping(node, deep)


# YAML 1.1, as PyYAML reads it, wants a dot and a sign in floats; people write 1e-4.
SafeLoader.add_implicit_resolver(
    'tag:yaml.org,2002:float',
    re.compile(r'^[-+]?(\d[\d_]*)(\.[\d_]*)?[eE][-+]?\d+$'), list('-+0123456789'))


def ordered_yaml():
    """Return (loader, dumper) as BasicSR's function of this name, but safe ones."""
    return SafeLoader, yaml.SafeDumper


def init_dist(launcher, backend='nccl', timeout=DEFAULT_TIMEOUT, port=None):
    """Start torch.distributed for ``--launcher pytorch`` or ``slurm``, with or without GPUs.

    BasicSR divides by the number of GPUs and knows only NCCL; here a machine without CUDA uses
    gloo.  It also forces spawned data workers, which cost seconds an epoch; that is kept for
    CUDA alone, where forking after initialisation is unsafe.

    Args:
        launcher (str): 'pytorch' (torchrun's environment) or 'slurm'.
        backend (str): Backend where CUDA is present. Default: 'nccl'.
        timeout (timedelta): Longest wait in one collective.
        port (int | None): Master port under slurm. Default: MASTER_PORT, or 29500.
    """
    if launcher == 'slurm':
        _slurm_environment(port)
    elif launcher != 'pytorch':
        raise ValueError(f'unknown launcher {launcher!r}: choose pytorch or slurm')
    if torch.cuda.is_available():
        if multiprocessing.get_start_method(allow_none=True) is None:
            multiprocessing.set_start_method('spawn')
        torch.cuda.set_device(int(os.environ['LOCAL_RANK']))
    else:
        backend = 'gloo'
    dist.init_process_group(backend=backend, timeout=timeout)


def load_resume_state(opt):
    """Return the training state to resume from, or None; BasicSR's needs CUDA to load it.

    With ``--auto_resume`` it is the newest state of this experiment, looked for below the
    experiment's own root rather than the current directory.
    """
    from basicsr.utils import check_resume

    path = opt['path'].get('resume_state')
    if opt['auto_resume']:
        folder = os.path.join(opt['path']['experiments_root'], 'training_states')
        names = os.listdir(folder) if os.path.isdir(folder) else []
        iterations = [int(name[:-6]) for name in names if name.endswith('.state') and name[:-6].isdigit()]
        if iterations:
            path = opt['path']['resume_state'] = os.path.join(folder, f'{max(iterations)}.state')
    if path is None:
        return None
    state = torch.load(path, map_location='cpu', weights_only=True)
    # What a run does not save, such as a frozen teacher, comes from where it came from before.
    opt['path'].setdefault('ignore_resume_networks', [
        name for name in opt if name.startswith('network_')
        and not os.path.exists(os.path.join(
            opt['path']['models'], f'net_{name.removeprefix("network_")}_{state["iter"]}.pth'))
    ])
    check_resume(opt, state['iter'])
    return state


def _seeded_and_counted(create_train_val_dataloader):
    """Count epochs by the batches that the loader really gives, and hand the seed to the training set.

    BasicSR rounds the last, incomplete batch up while the loader drops it: the loop would end
    early, with a data set smaller than a batch before its first iteration, and with status 0.
    """

    @functools.wraps(create_train_val_dataloader)
    def wrapper(opt, logger):
        # A data set sees only its own section; there its draws start from the run's seed.
        opt['datasets']['train'].setdefault('seed', opt['manual_seed'])
        train_loader, train_sampler, val_loaders, _, total_iters = create_train_val_dataloader(opt, logger)
        if len(train_loader) == 0:
            raise UserError(
                f'no iteration can be made: this process gets {len(train_sampler)} samples an epoch of '
                f'datasets.train, fewer than batch_size_per_gpu {opt["datasets"]["train"]["batch_size_per_gpu"]}')
        # The loop runs one epoch more than it is told.
        total_epochs = math.ceil(total_iters / len(train_loader)) - 1
        return train_loader, train_sampler, val_loaders, total_epochs, total_iters

    return wrapper


def model_to_device(self, net):
    """Move ``net`` to the model's device and wrap it for data parallel training.

    BasicSR passes CUDA device ids to DistributedDataParallel even on CPU.
    """
    net = net.to(self.device)
    if self.opt['dist']:
        device_ids = [torch.cuda.current_device()] if self.device.type == 'cuda' else None
        return torch.nn.parallel.DistributedDataParallel(
            net, device_ids=device_ids, find_unused_parameters=self.opt.get('find_unused_parameters', False))
    if self.opt['num_gpu'] > 1:
        return torch.nn.DataParallel(net)
    return net


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


def _slurm_environment(port):
    """Set the variables that torch.distributed reads from those that slurm gives."""
    nodes = os.environ['SLURM_NODELIST']
    hosts = subprocess.run(['scontrol', 'show', 'hostnames', nodes], check=True, capture_output=True, text=True)
    os.environ['MASTER_ADDR'] = hosts.stdout.split()[0]
    if port is not None:
        os.environ['MASTER_PORT'] = str(port)
    os.environ.setdefault('MASTER_PORT', '29500')
    os.environ['RANK'] = os.environ['SLURM_PROCID']
    os.environ['WORLD_SIZE'] = os.environ['SLURM_NTASKS']
    os.environ['LOCAL_RANK'] = os.environ['SLURM_LOCALID']


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


def _announcing_epoch(set_epoch):
    """Tell the dataset which epoch begins, so that its random draws can follow from it."""

    @functools.wraps(set_epoch)
    def wrapper(self, epoch):
        set_epoch(self, epoch)
        if hasattr(self.dataset, 'set_epoch'):
            self.dataset.set_epoch(epoch)

    return wrapper


restore_removed_modules()
with warnings.catch_warnings():
    # BasicSR's own use of names that its libraries have announced to drop.
    warnings.simplefilter('ignore', DeprecationWarning)
    mend_basicsr()
