"""What a run needs to start with care: a log that waits, checks, and folders that appear whole."""

import glob
import logging
import os
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from logging.handlers import MemoryHandler
from pathlib import Path
from typing import Any

import yaml
from basicsr.utils import get_root_logger, get_time_str
from basicsr.utils import logger as basicsr_logger
from basicsr.utils.options import copy_opt_file

from ..files import remove_partial_files
from ..folders import make_fresh_folder
from ..ranks import on_rank_0

__all__ = ['HeldLog', 'check_datasets', 'file_options', 'held_log', 'make_experiment', 'make_results']

# What BasicSR and this package add to the options of a file.
ADDED = ('dist', 'rank', 'world_size', 'auto_resume', 'is_train', 'root_path', 'option_file', 'seed_is_drawn')
FOLDERS = ('models', 'training_states', 'log', 'visualization')
ROOTS = ('experiments_root', 'results_root')


class HeldLog:
    """What was logged before there was a log."""

    def __init__(self) -> None:
        self.records: list[logging.LogRecord] = []

    def replay(self, logger: logging.Logger) -> None:
        """Log it, once."""
        records, self.records = self.records, []
        for record in records:
            logger.handle(record)


@contextmanager
def held_log() -> Iterator[HeldLog]:
    """Hold what is logged in the block, for BasicSR's logger is only set up later, with its file.

    Handlers of an earlier run in this process go, so that it does not get this one's lines.
    """
    logger = logging.getLogger('basicsr')
    handlers, was_initialised = logger.handlers[:], basicsr_logger.initialized_logger.pop('basicsr', False)
    holder = MemoryHandler(capacity=2**20, flushLevel=logging.CRITICAL + 1)
    logger.handlers = [holder]
    rank, _ = basicsr_logger.get_dist_info()
    logger.setLevel(logging.INFO if rank == 0 else logging.ERROR)
    logger.propagate = False
    basicsr_logger.initialized_logger['basicsr'] = True
    held = HeldLog()
    try:
        yield held
    except BaseException:
        logger.handlers = handlers
        if not was_initialised:
            basicsr_logger.initialized_logger.pop('basicsr')
        raise
    held.records += holder.buffer
    for handler in handlers:
        if isinstance(handler, logging.FileHandler):
            handler.close()
    logger.handlers = []
    basicsr_logger.initialized_logger.pop('basicsr')


def check_datasets(model: Any, datasets: Iterable[Any]) -> None:
    """Let the model refuse validation or test sets that it cannot score."""
    if hasattr(model, 'check_data_set'):
        for dataset in datasets:
            model.check_data_set(dataset)


def make_experiment(opt: dict, state: dict | None, runnable: dict, option_file: str, root_path: str) -> None:
    """Make the experiment's folders, or those of the experiment that is resumed ready; write its options.

    Args:
        opt (dict): The run's options.
        state (dict | None): The training state that it resumes from.
        runnable (dict): Its options as :func:`file_options` gives them.
        option_file (str): Copied as BasicSR does.
        root_path (str): Folder of experiments and of TensorBoard's logs.

    Raises:
        SharedError: A folder cannot be made; what was there before is still there.
    """
    root = opt['path']['experiments_root']
    if state is None or Path(opt['path']['resume_state']).absolute().parents[1] != Path(root).absolute():
        archive(partial(make_folders, opt['path']))
    else:
        for name in ('models', 'training_states'):
            on_rank_0(partial(remove_partial_files, opt['path'][name]))
    if state is None and opt['logger'].get('use_tb_logger') and 'debug' not in opt['name']:
        archive(partial(make_fresh_folder, os.path.join(root_path, 'tb_logger', opt['name'])))
    copy_opt_file(option_file, root)
    on_rank_0(partial(write_options, runnable, root))


def make_results(opt: dict, runnable: dict) -> None:
    """Make the folders of a test and write its options; arguments and errors as of :func:`make_experiment`."""
    archive(partial(make_folders, opt['path']))
    on_rank_0(partial(write_options, runnable, opt['path']['results_root']))


def archive(make: partial) -> None:
    """Make folders on rank 0, and log where what was there has been moved to."""
    archived = on_rank_0(make)
    if archived:
        get_root_logger().info(f'Path already exists. Rename it to {archived}')


def make_folders(paths: dict) -> str | None:
    """Make the folders that BasicSR's options name; returns where it moved what was there, or None."""
    root = Path(next(paths[name] for name in ROOTS if name in paths))
    return make_fresh_folder(root, [Path(paths[name]).relative_to(root) for name in FOLDERS if name in paths])


def write_options(options: dict, folder: str) -> None:
    """Write options as a file that can be run again, named by the time as the log beside it."""
    # BasicSR's log is named by the second: a run that starts within that of another would write over its log.
    while glob.glob(os.path.join(glob.escape(folder), f'*_{get_time_str()}.*')):
        time.sleep(0.1)
    path = os.path.join(folder, f'options_{get_time_str()}.yml')
    with open(path, 'w', encoding='utf-8') as file:
        yaml.safe_dump(options, file, sort_keys=False)


def file_options(opt: dict) -> dict:
    """The options of a run as a file would hold them: without what BasicSR adds on starting."""
    options = deepcopy({key: value for key, value in opt.items() if key not in ADDED})
    for dataset in options['datasets'].values():
        dataset.pop('phase', None)
    for name in (*ROOTS, *FOLDERS):
        options['path'].pop(name, None)
    return options
