"""``basicsr train`` and ``basicsr test``: BasicSR's own pipelines on options that have been checked."""
import os
import random
from copy import deepcopy

import torch
from basicsr import test, train
from basicsr.utils import set_random_seed
from basicsr.utils.dist_util import get_dist_info

from ..compat import init_dist
from .ranks import on_rank_0

__all__ = ['as_test', 'run_options', 'test_with', 'train_with']

DEBUG_INTERVAL = 8


def train_with(file, args):
    """Run BasicSR's train_pipeline.

    Args:
        file (OptionFile): The checked options.
        args (argparse.Namespace): opt, launcher, auto_resume, debug.
    """
    _run(train, train.train_pipeline, file, args, is_train=True)


def test_with(file, args):
    """Run BasicSR's test_pipeline; arguments as `train_with`."""
    _run(test, test.test_pipeline, file, args, is_train=False)


def as_test(file, forced_keys=()):
    """Turn the options of a training file, in place, into those of a test on its validation sets.

    The network is the newest that the training has made, and not the one that it started from, unless
    ``path:pretrain_network_g`` is among the keys that --force_yml has set.
    """
    options = file.options
    if isinstance(options.get('path'), dict) and 'path:pretrain_network_g' not in forced_keys:
        options['path']['pretrain_network_g'] = os.path.join(
            'experiments', str(options.get('name')), 'models', 'net_g_latest.pth')
    if isinstance(options.get('datasets'), dict):
        options['datasets'] = {
            phase: section for phase, section in options['datasets'].items() if phase != 'train'}
    for key in ('train', 'logger', 'network_d', 'network_vqgan'):
        options.pop(key, None)


def _run(module, pipeline, file, args, is_train):
    parse_options = module.parse_options
    # The pipeline would read the file again, unsafely, and without what --force_yml changed.
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
        init_dist(args.launcher, **(opt.get('dist_params') or {}))
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
        opt['path'].update(experiments_root=experiments_root, log=experiments_root,
                           **{name: os.path.join(experiments_root, name)
                              for name in ('models', 'training_states', 'visualization')})
        if 'debug' in opt['name']:
            opt['logger'].update(print_freq=1, save_checkpoint_freq=DEBUG_INTERVAL)
            if opt.get('val'):
                opt['val']['val_freq'] = DEBUG_INTERVAL
    else:
        results_root = os.path.join(root_path, 'results', opt['name'])
        opt['path'].update(results_root=results_root, log=results_root,
                           visualization=os.path.join(results_root, 'visualization'))
    return opt


def _expand_home(opt):
    """Resolve ~ in paths, in place."""
    sections = [*opt['datasets'].values(), opt['path']]
    sections += [section for section in (opt.get('train') or {}).values() if isinstance(section, dict)]
    for section in sections:
        for key, value in section.items():
            if isinstance(value, str) and (key.startswith(('dataroot', 'pretrain_network')) or key in (
                    'resume_state', 'meta_info_file', 'weights')):
                section[key] = os.path.expanduser(value)
