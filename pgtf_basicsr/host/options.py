"""A run's options as BasicSR's pipelines take them: those of a file, and all that BasicSR adds on starting."""

import argparse
import os
import random
from collections.abc import Callable
from copy import deepcopy
from typing import Any

import torch
import yaml
from basicsr.utils import set_random_seed
from basicsr.utils.dist_util import get_dist_info

from ..errors import UserError
from ..ranks import on_rank_0
from ..safe_yaml import SafeLoader
from .rendezvous import init_dist

__all__ = ['add_run_arguments', 'parsed_safely', 'run_options']

DEBUG_INTERVAL = 8


def add_run_arguments(parser: argparse.ArgumentParser) -> None:
    """Add BasicSR's own flags."""
    parser.add_argument(
        '-opt',
        required=True,
        metavar='FILE',
        help='option file (YAML); `basicsr options` lists those that come with the package',
    )
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm'],
        default='none',
        help='what started the processes; torchrun is pytorch',
    )
    parser.add_argument('--auto_resume', action='store_true', help="resume from the experiment's newest state")
    parser.add_argument('--debug', action='store_true', help='log, validate and save every few iterations')
    parser.add_argument(
        '--force_yml',
        nargs='+',
        default=[],
        metavar='SECTION:KEY=VALUE',
        help='change options of the file, such as train:total_iter=100',
    )


def run_options(options: dict, args: argparse.Namespace, root_path: str, is_train: bool) -> dict:
    """The options of a run: those of a file, and all that BasicSR's ``parse_options`` adds on starting.

    It starts torch.distributed and seeds the random generators, as BasicSR does.

    Args:
        options (dict): The options of a file; they stay as they are.
        args (argparse.Namespace): opt, launcher, auto_resume, debug.
        root_path (str): Folder of experiments and results.
        is_train (bool): For training, or for a test.

    Returns:
        dict: Options for BasicSR's pipelines.
    """
    opt = deepcopy(options)
    opt['option_file'] = os.fspath(args.opt)
    opt.setdefault('path', {})
    _start_processes(opt, args)
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
        root = os.path.join(root_path, 'experiments', opt['name'])
        opt['path'].update(
            experiments_root=root,
            log=root,
            **{name: os.path.join(root, name) for name in ('models', 'training_states', 'visualization')},
        )
        if 'debug' in opt['name']:
            opt['logger'].update(print_freq=1, save_checkpoint_freq=DEBUG_INTERVAL)
            if opt.get('val'):
                opt['val']['val_freq'] = DEBUG_INTERVAL
    else:
        root = os.path.join(root_path, 'results', opt['name'])
        opt['path'].update(results_root=root, log=root, visualization=os.path.join(root, 'visualization'))
    return opt


def parsed_safely(_: Callable) -> Callable:
    """Let ``parse_options`` neither construct objects from YAML nor evaluate --force_yml."""
    return parse_options


def parse_options(root_path: str, is_train: bool = True) -> tuple[dict, argparse.Namespace]:
    """Read the command line and the option file of a program that calls BasicSR's pipelines itself.

    What its options may be is up to that program: nothing is checked.

    Returns:
        tuple: Options for BasicSR's pipelines, and the arguments of the command line.
    """
    parser = argparse.ArgumentParser()
    add_run_arguments(parser)
    parser.add_argument('--local_rank', type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    with open(args.opt, encoding='utf-8') as file:
        options = _read_yaml(file, args.opt)
    for entry in args.force_yml:
        names, separator, value = entry.partition('=')
        *sections, name = names.strip().split(':')
        section = options
        for key in sections:
            section = section.get(key) if isinstance(section, dict) else None
        if not separator or not name or not isinstance(section, dict):
            raise UserError(f'--force_yml {entry}: expected section:key=value with a section of the option file')
        section[name] = _read_yaml(value, f'--force_yml {entry}')
    return run_options(options, args, root_path, is_train), args


def _read_yaml(source: Any, where: str) -> Any:
    try:
        return yaml.load(source, SafeLoader)
    except (yaml.YAMLError, ValueError) as error:
        raise UserError(f'{where}: {" ".join(str(error).split())}') from error


def _start_processes(opt: dict, args: argparse.Namespace) -> None:
    """Start torch.distributed if a launcher was named, seed this process, and choose its algorithms."""
    opt['dist'] = args.launcher != 'none'
    if opt['dist']:
        device = 'cpu' if opt['num_gpu'] == 0 else 'auto'
        init_dist(args.launcher, **(opt.get('dist_params') or {}), device=device)
    opt['rank'], opt['world_size'] = get_dist_info()
    if opt.get('manual_seed') is None:
        opt['manual_seed'] = on_rank_0(lambda: random.randint(1, 10000))
        opt['seed_is_drawn'] = True
    set_random_seed(opt['manual_seed'] + opt['rank'])
    if opt.get('deterministic'):
        # cuBLAS reads it when it starts.
        os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
        torch.use_deterministic_algorithms(True)


def _expand_home(opt: dict) -> None:
    """Resolve ~ in paths, in place."""
    sections = [*opt['datasets'].values(), opt['path']]
    sections += [section for section in (opt.get('train') or {}).values() if isinstance(section, dict)]
    for section in sections:
        for key, value in section.items():
            if isinstance(value, str) and (
                key.startswith(('dataroot', 'pretrain_network')) or key in ('resume_state', 'meta_info_file', 'weights')
            ):
                section[key] = os.path.expanduser(value)
