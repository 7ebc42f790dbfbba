"""``basicsr test``: all that happens before and after the datasets are scored, in order.

BasicSR's ``test_pipeline`` archives the results of the same name before it looks whether data and weights are there.
Here all is built first, and handed to the pipeline: a test that cannot start leaves everything as it was.
"""

import argparse
import atexit
import os
from collections.abc import Collection
from functools import partial
from typing import Any

from basicsr import test
from basicsr.data import build_dataset
from basicsr.models import build_model
from basicsr.utils import get_root_logger, init_tb_logger

from .. import config, host
from ..devices import memory_advice
from ..host.options import add_run_arguments, run_options
from ..host.patches import replaced
from ..plugins import load_plugins
from ..ranks import on_all_ranks
from ..training.starting import check_datasets, file_options, held_log, make_results

__all__ = ['add_arguments', 'run']

add_arguments = add_run_arguments


def run(args: argparse.Namespace) -> None:
    """Test as the parsed arguments say; the options are checked before anything else happens."""
    load_plugins()
    file = config.read(args.opt)
    file.override(args.force_yml)
    if file.is_for_training:
        make_test(file.options, forced_keys=[entry.partition('=')[0].strip() for entry in args.force_yml])
    config.check(file, is_train=False)
    with host.mending(), memory_advice('a lower val.batch_size'):
        run_test(file, args)


def make_test(opt: dict, forced_keys: Collection[str] = ()) -> None:
    """Turn the options of a training file, in place, into those of a test on its validation sets.

    The network is the newest that the training has made, and not the one that it started from, unless
    ``path:pretrain_network_g`` is among the keys that --force_yml has set.
    """
    if isinstance(opt.get('path'), dict) and 'path:pretrain_network_g' not in forced_keys:
        opt['path']['pretrain_network_g'] = os.path.join(
            'experiments', str(opt.get('name')), 'models', 'net_g_latest.pth'
        )
    if isinstance(opt.get('datasets'), dict):
        opt['datasets'] = {phase: section for phase, section in opt['datasets'].items() if phase != 'train'}
    for key in ('train', 'logger', 'network_d'):
        opt.pop(key, None)


def run_test(file: config.OptionFile, args: argparse.Namespace) -> None:
    """Run BasicSR's test_pipeline on checked options.

    Args:
        file (OptionFile): The options.
        args (argparse.Namespace): opt, launcher, auto_resume, debug.

    Raises:
        UserError: The test cannot start, and has changed nothing; or it went wrong.
    """
    root = os.getcwd()
    # 1. Processes find each other, and are seeded.
    opt = run_options(file.options, args, root, is_train=False)
    runnable = file_options(opt)
    # The pipeline opens the log later, in the folder of results.
    with held_log() as log:
        get_root_logger().info(f'Option file: {file.path}')
        # 2. Datasets, and the model with its weights, which checks them.
        datasets = on_all_ranks(lambda: {id(section): build_dataset(section) for section in opt['datasets'].values()})
        model = on_all_ranks(partial(build_model, opt))
        on_all_ranks(partial(check_datasets, model, datasets.values()))
        # 3. Nothing on the disk has changed so far. Now the folder of results appears, whole.
        make_results(opt, runnable)
    if (opt.get('logger') or {}).get('use_tb_logger') and opt['rank'] == 0:
        model.tb_logger = init_tb_logger(os.path.join(opt['path']['results_root'], 'tb_logger'))
        atexit.register(model.tb_logger.close)

    # 4. The pipeline asks for what is ready, and has the model score each dataset.
    def build_dataset_of(section: dict) -> Any:
        log.replay(get_root_logger())
        return datasets[id(section)]

    with replaced(
        test,
        parse_options=lambda root_path, is_train: (opt, args),
        make_exp_dirs=lambda opt: None,
        build_dataset=build_dataset_of,
        build_model=lambda opt: model,
    ):
        test.test_pipeline(root)
