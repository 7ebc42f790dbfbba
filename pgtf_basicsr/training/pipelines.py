"""``basicsr train`` and ``basicsr test``: BasicSR's own pipelines on options that have been read safely."""

import argparse
import os
import random
from copy import deepcopy

import torch
from basicsr import test, train
from basicsr.utils import set_random_seed
from basicsr.utils.dist_util import get_dist_info

from .. import config
from ..host.rendezvous import init_dist
from ..ranks import on_rank_0

__all__ = ['add_arguments', 'as_test', 'parse_options', 'run_options', 'test_with', 'train_with']

DEBUG_INTERVAL = 8


def add_arguments(parser):
    """Add BasicSR's own flags."""
    parser.add_argument('-opt', required=True, metavar='FILE', help='option file (YAML)')
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm'],
        default='none',
        help='what started the processes; torchrun is pytorch',
    )
    parser.add_argument('--auto_resume', action='store_true', help="go on from the experiment's newest state")
    parser.add_argument('--debug', action='store_true', help='log, validate and save every few iterations')
    parser.add_argument(
        '--force_yml',
        nargs='+',
        default=[],
        metavar='SECTION:KEY=VALUE',
        help='change options of the file, such as train:total_iter=100',
    )


def parse_options(root_path, is_train=True):
    """Take the place of BasicSR's function, which constructs objects from YAML and evaluates what --force_yml says.

    It serves programs that call BasicSR's pipelines themselves. What they may do is theirs, so that nothing is checked.

    Returns:
        tuple: Options for BasicSR's pipelines, and the arguments of the command line.
    """
    parser = argparse.ArgumentParser()
    add_arguments(parser)
    parser.add_argument('--local_rank', type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    file = config.read(args.opt)
    file.override(args.force_yml)
    return run_options(file, args, root_path, is_train), args


def train_with(file, args):
    """Run BasicSR's train_pipeline.

    Args:
        file (OptionFile): The checked options.
        args (argparse.Namespace): opt, launcher, auto_resume, debug.
    """
    _run(train, train.train_pipeline, file, args)


def test_with(file, args):
    """Run BasicSR's test_pipeline; arguments as `train_with`."""
    _run(test, test.test_pipeline, file, args)


def as_test(file, forced_keys=()):
    """Turn the options of a training file, in place, into those of a test on its validation sets.

    The network is the newest that the training has made, and not the one that it started from, unless
    ``path:pretrain_network_g`` is among the keys that --force_yml has set.
    """
    opt = file.options
    if isinstance(opt.get('path'), dict) and 'path:pretrain_network_g' not in forced_keys:
        opt['path']['pretrain_network_g'] = os.path.join(
            'experiments', str(opt.get('name')), 'models', 'net_g_latest.pth'
        )
    if isinstance(opt.get('datasets'), dict):
        opt['datasets'] = {phase: section for phase, section in opt['datasets'].items() if phase != 'train'}
    for key in ('train', 'logger', 'network_d'):
        opt.pop(key, None)


def _run(module, pipeline, file, args):
    parse_options = module.parse_options
    # The pipeline would read the file again, without what has been changed of it.
    module.parse_options = lambda root_path, is_train: (run_options(file, args, root_path, is_train), args)
    try:
        pipeline(os.getcwd())
    finally:
        module.parse_options = parse_options


def run_options(file, args, root_path, is_train):
    """The options of a run: those of a file, and all that BasicSR's ``parse_options`` adds on starting.

    It starts torch.distributed and seeds the random generators, as BasicSR does.

    Args:
        file (OptionFile): The checked options.
        args (argparse.Namespace): launcher, auto_resume, debug.
        root_path (str): Folder of experiments and results.
        is_train (bool): For training, or for a test.

    Returns:
        dict: Options for BasicSR's pipelines.
    """
    opt = deepcopy(file.options)
    opt['option_file'] = os.fspath(file.path)
    opt['dist'] = args.launcher != 'none'
    if opt['dist']:
        device = 'cpu' if opt['num_gpu'] == 0 else 'auto'
        init_dist(args.launcher, **(opt.get('dist_params') or {}), device=device)
    opt['rank'], opt['world_size'] = get_dist_info()
    if opt.get('manual_seed') is None:
        opt['manual_seed'] = on_rank_0(lambda: random.randint(1, 10000))
        opt['seed_is_drawn'] = True
    set_random_seed(opt['manual_seed'] + opt['rank'])

    opt['auto_resume'] = args.auto_resume
    opt['is_train'] = is_train
    if args.debug and not opt['name'].startswith('debug'):
        opt['name'] = f'debug_{opt["name"]}'
    if opt['num_gpu'] == 'auto':
        opt['num_gpu'] = torch.cuda.device_count()

    for phase, dataset in opt['datasets'].items():
        dataset['phase'] = phase.split('_')[0]
        if 'scale' in opt:
            dataset['scale'] = opt['scale']
    _expand_home(opt)
    if is_train:
        experiments_root = os.path.join(root_path, 'experiments', opt['name'])
        opt['path'].update(
            experiments_root=experiments_root,
            log=experiments_root,
            **{name: os.path.join(experiments_root, name) for name in ('models', 'training_states', 'visualization')},
        )
        if 'debug' in opt['name']:
            opt['logger'].update(print_freq=1, save_checkpoint_freq=DEBUG_INTERVAL)
            if opt.get('val'):
                opt['val']['val_freq'] = DEBUG_INTERVAL
    else:
        results_root = os.path.join(root_path, 'results', opt['name'])
        opt['path'].update(
            results_root=results_root, log=results_root, visualization=os.path.join(results_root, 'visualization')
        )
    return opt


def _expand_home(opt):
    """Resolve ~ in paths, in place."""
    sections = [*opt['datasets'].values(), opt['path']]
    sections += [section for section in (opt.get('train') or {}).values() if isinstance(section, dict)]
    for section in sections:
        for key, value in section.items():
            if isinstance(value, str) and (
                key.startswith(('dataroot', 'pretrain_network')) or key in ('resume_state', 'meta_info_file', 'weights')
            ):
                section[key] = os.path.expanduser(value)
