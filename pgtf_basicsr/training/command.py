"""``basicsr train``: all that happens until the first iteration and after the last, in order.

BasicSR's ``train_pipeline`` is the loop.  It archives the experiment of the same name, makes folders and opens its log,
and only then looks whether data, networks and weights are there.  Here all is built first, and handed to the pipeline:
a run that cannot start leaves everything as it was.
"""

import argparse
import atexit
import os
from functools import partial
from inspect import unwrap
from typing import Any

import torch
from basicsr import train
from basicsr.models import build_model
from basicsr.utils import get_root_logger

from pgtf_process import stop_request

from .. import config, host
from ..devices import memory_advice
from ..host.epochs import create_loaders
from ..host.options import add_run_arguments, run_options
from ..host.patches import replaced
from ..plugins import load_plugins
from ..ranks import on_all_ranks
from .resuming import choose_state
from .starting import check_datasets, file_options, held_log, make_experiment

__all__ = ['add_arguments', 'run']

add_arguments = add_run_arguments

SMALLER = (
    'a lower datasets.train.batch_size_per_gpu (with train.accumulate_iters for the same step), '
    'train.activation_checkpointing: true, or train.precision bf16 or fp16'
)


def run(args: argparse.Namespace) -> None:
    """Train as the parsed arguments say; the options are checked before anything else happens."""
    load_plugins()
    file = config.read(args.opt)
    file.override(args.force_yml)
    config.check(file, is_train=True)
    with stop_request.noted(), host.mending(), memory_advice(SMALLER):
        run_training(file, args)


def run_training(file: config.OptionFile, args: argparse.Namespace) -> None:
    """Run BasicSR's train_pipeline on checked options.

    Args:
        file (OptionFile): The options.
        args (argparse.Namespace): opt, launcher, auto_resume, debug.

    Raises:
        UserError: The run cannot start, and has changed nothing; or it went wrong.
        Interrupted: It was asked to stop, and has saved all.
    """
    root = os.getcwd()
    # 1. Processes find each other, and are seeded.
    opt = run_options(file.options, args, root, is_train=True)
    runnable = file_options(opt)
    # The pipeline opens the log later, in the experiment's folder.
    with held_log() as log:
        get_root_logger().info(f'Option file: {file.path}')
        # 2. The training state to resume from, if any, the same on every rank.
        state = choose_state(opt)
        # 3. Datasets and loaders, entered where the state stands.
        loaders, position = on_all_ranks(
            partial(create_loaders, unwrap(train.create_train_val_dataloader), opt, get_root_logger(), state)
        )
        # 4. The model: networks, their weights, losses, optimizers. It checks state and validation sets.
        model = on_all_ranks(partial(build_checked_model, opt, state))
        on_all_ranks(partial(check_datasets, model, [loader.dataset for loader in loaders[2]]))
        # 5. Nothing on the disk has changed so far. Now the experiment's folders appear, whole.
        make_experiment(opt, state, runnable, file.path, root)
    model.position = position

    # 6. The loop. Its preparations are done: it asks for the results, in this order.
    def load_resume_state(opt: dict) -> dict | None:
        # The pipeline has just let cuDNN choose algorithms by their speed: others in each run.
        torch.backends.cudnn.benchmark = not opt.get('deterministic')
        return state

    def init_tb_loggers(opt: dict) -> Any:
        model.tb_logger = init_tb_loggers_of_basicsr(opt)
        if model.tb_logger:
            # What it has not written yet must reach the disk however the run ends.
            atexit.register(model.tb_logger.close)
        return model.tb_logger

    def create_train_val_dataloader(opt: dict, logger: Any) -> tuple:
        log.replay(logger)
        model.validate_all = partial(validate_all, model, loaders[2], model.tb_logger)
        return loaders

    init_tb_loggers_of_basicsr = train.init_tb_loggers
    with replaced(
        train,
        parse_options=lambda root_path, is_train: (opt, args),
        load_resume_state=load_resume_state,
        make_exp_dirs=lambda opt: None,
        mkdir_and_rename=lambda path: None,
        copy_opt_file=lambda opt_file, experiments_root: None,
        init_tb_loggers=init_tb_loggers,
        create_train_val_dataloader=create_train_val_dataloader,
        build_model=lambda opt: model,
    ):
        # After the last iteration it saves net_*_latest and validates; each iteration may also end in `Interrupted`,
        # see `ResumableModel.update_learning_rate`.
        train.train_pipeline(root)
    # 7. `exit_status` leaves the process group, `pgtf_process.leave` the process.


def build_checked_model(opt: dict, state: dict | None) -> Any:
    """Build the model, and let it check the state that it is to resume from."""
    model = build_model(opt)
    if state and hasattr(model, 'check_state'):
        model.check_state(state)
    return model


def validate_all(model: Any, loaders: list, tb_logger: Any, current_iter: int) -> None:
    """Validate on every validation set, as the loop does."""
    for loader in loaders:
        model.validation(loader, current_iter, tb_logger, model.opt['val']['save_img'])
