"""BasicSR's pipelines, started with care: data and model are built before anything on disk changes.

BasicSR archives the experiment of the same name, makes folders and opens its log, and only then looks
whether data, networks and weights are there.  Here its functions of the names below are replaced, so
that a run that cannot start leaves everything as it was:

    train.parse_options                 reads option files and --force_yml without evaluating anything
    train.load_resume_state             chooses the state and builds data and model
    train.make_exp_dirs, copy_opt_file  folders appear whole; the options that really run are written
    train.mkdir_and_rename              the folder of TensorBoard's events, made in the same way
    train.create_train_val_dataloader, build_model, init_tb_loggers     hand over what has been built
    test.parse_options, make_exp_dirs, build_dataset, build_model       the same for tests
"""

import atexit
import glob
import logging
import os
import shutil
import time
from contextlib import contextmanager
from copy import deepcopy
from functools import partial
from logging.handlers import MemoryHandler
from pathlib import Path

import yaml
from basicsr import test, train
from basicsr.data import build_dataset
from basicsr.models import build_model
from basicsr.utils import get_root_logger, get_time_str, init_tb_logger
from basicsr.utils import logger as basicsr_logger
from basicsr.utils.options import copy_opt_file

from ..errors import UserError
from ..files import remove_partial_files
from ..ranks import on_all_ranks, on_rank_0
from .epochs import loaders_from
from .resuming import choose_state

__all__ = ['take_over']

# What BasicSR and this package add to the options of a file.
ADDED = ('dist', 'rank', 'world_size', 'auto_resume', 'is_train', 'root_path', 'option_file', 'seed_is_drawn')
FOLDERS = ('models', 'training_states', 'log', 'visualization')
ROOTS = ('experiments_root', 'results_root')


def take_over():
    """Replace the functions of BasicSR's pipelines that are named above."""
    starts = Starts(train.create_train_val_dataloader, train.init_tb_loggers)
    train.parse_options = test.parse_options = parse_options
    train.load_resume_state = starts.load_resume_state
    train.make_exp_dirs = starts.make_folders
    train.mkdir_and_rename = starts.make_folder
    train.copy_opt_file = starts.write_options
    train.init_tb_loggers = starts.init_tb_loggers
    train.create_train_val_dataloader = starts.hand_over_loaders
    train.build_model = test.build_model = starts.hand_over_model
    test.make_exp_dirs = starts.prepare_test
    test.build_dataset = starts.hand_over_dataset


def parse_options(root_path, is_train=True):
    """As `pipelines.parse_options`, which can only be imported once BasicSR has been mended."""
    from . import pipelines

    return pipelines.parse_options(root_path, is_train)


class Starts:
    """What has been built for the run that is being started, until BasicSR's pipeline asks for it."""

    def __init__(self, create_train_val_dataloader, init_tb_loggers):
        self._create_loaders = create_train_val_dataloader
        self._init_tb_loggers = init_tb_loggers
        self._reset()

    def _reset(self, opt=None):
        self.options = file_options(opt) if opt else None
        self.log = []
        self.loaders = self.model = self.tb_logger = None
        self.datasets = {}

    def load_resume_state(self, opt):
        """Choose the state to go on from, if any, and build data and model; returns the state or None."""
        self._reset(opt)
        with held_log() as self.log:
            state = choose_state(opt)
            self.loaders, position = on_all_ranks(
                partial(loaders_from, self._create_loaders, opt, get_root_logger(), state)
            )
            self.model = on_all_ranks(partial(build_checked_model, opt, state))
            on_all_ranks(partial(check_data_sets, self.model, [loader.dataset for loader in self.loaders[2]]))
        self.model.position = position
        if state:
            self._resume_folders(opt)
        return state

    def _resume_folders(self, opt):
        """Make the experiment ready to be gone on with; it is made anew if the state is another experiment's."""
        experiment = Path(opt['path']['experiments_root']).absolute()
        if Path(opt['path']['resume_state']).absolute().parents[1] != experiment:
            self.make_folders(opt)
            return
        for name in ('models', 'training_states'):
            on_rank_0(partial(remove_partial_files, opt['path'][name]))

    def make_folders(self, opt):
        """Make the folders of an experiment or a test; what had its name is archived in the same moment.

        Raises:
            SharedError: If they cannot be made; what was there before is still there.
        """
        self._tell_of_archive(on_rank_0(partial(make_folders, opt['path'])))

    def make_folder(self, path):
        """Make a folder beside the experiment's; what had its name is archived."""
        self._tell_of_archive(make_folder(path))

    def _tell_of_archive(self, archived):
        if archived:
            self.log.append(
                logging.getLogger('basicsr').makeRecord(
                    'basicsr', logging.INFO, __file__, 0, f'Path already exists. Rename it to {archived}', (), None
                )
            )

    def write_options(self, opt_file, experiments_root):
        """Copy the option file as BasicSR does, and write the merged options that run beside the log."""
        copy_opt_file(opt_file, experiments_root)
        on_rank_0(partial(write_options, self.options, experiments_root))

    def init_tb_loggers(self, opt):
        self.tb_logger = self._init_tb_loggers(opt)
        if self.tb_logger:
            # What it has not written yet must reach the disk however the run ends.
            atexit.register(self.tb_logger.close)
        return self.tb_logger

    def hand_over_loaders(self, opt, logger):
        self._tell(logger)
        self.model.validate_all = partial(validate_all, self.model, self.loaders[2], self.tb_logger)
        self.model.tb_logger = self.tb_logger
        return self.loaders

    def hand_over_model(self, opt):
        model, self.model = self.model, None
        return model

    def prepare_test(self, opt):
        """Build data sets and model of a test, and only then make its folders."""
        self._reset(opt)
        with held_log() as self.log:
            self.datasets = on_all_ranks(
                lambda: {id(options): build_dataset(options) for options in opt['datasets'].values()}
            )
            self.model = on_all_ranks(partial(build_model, opt))
            on_all_ranks(partial(check_data_sets, self.model, self.datasets.values()))
        self.make_folders(opt)
        on_rank_0(partial(write_options, self.options, opt['path']['results_root']))
        if (opt.get('logger') or {}).get('use_tb_logger') and opt['rank'] == 0:
            self.model.tb_logger = init_tb_logger(os.path.join(opt['path']['results_root'], 'tb_logger'))
            atexit.register(self.model.tb_logger.close)

    def hand_over_dataset(self, options):
        self._tell(get_root_logger())
        return self.datasets.pop(id(options))

    def _tell(self, logger):
        """Log what has been held."""
        records, self.log = self.log, []
        for record in records:
            logger.handle(record)


def build_checked_model(opt, state):
    """Build the model, and hold the state it is to go on from against it."""
    model = build_model(opt)
    if state and hasattr(model, 'check_state'):
        model.check_state(state)
    return model


def check_data_sets(model, datasets):
    """Let the model refuse validation or test sets that it cannot score."""
    if hasattr(model, 'check_data_set'):
        for dataset in datasets:
            model.check_data_set(dataset)


def validate_all(model, loaders, tb_logger, current_iter):
    """Validate on every validation set, as the loop does."""
    for loader in loaders:
        model.validation(loader, current_iter, tb_logger, model.opt['val']['save_img'])


@contextmanager
def held_log():
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
    records = []
    try:
        yield records
    except BaseException:
        logger.handlers = handlers
        if not was_initialised:
            basicsr_logger.initialized_logger.pop('basicsr')
        raise
    records += holder.buffer
    for handler in handlers:
        if isinstance(handler, logging.FileHandler):
            handler.close()
    logger.handlers = []
    basicsr_logger.initialized_logger.pop('basicsr')


def make_folders(paths):
    """Make the folders that BasicSR's options name; returns where it moved what was there, or None."""
    root = Path(next(paths[name] for name in ROOTS if name in paths))
    return make_folder(root, [Path(paths[name]).relative_to(root) for name in FOLDERS if name in paths])


def make_folder(root, inner=()):
    """Make a folder with folders in it, whole or not at all; what had its name is archived as BasicSR does.

    Args:
        root (str | Path): The folder.
        inner (iterable[Path], optional): Folders in it, relative to it.

    Returns:
        str | None: Where what was there has been moved to.

    Raises:
        UserError: If it cannot be made; what was there before is still there.
    """
    root = Path(root)
    fresh = root.with_name(f'.{root.name}.starting-{os.getpid()}')
    archived = unused_name(f'{root}_archived_{get_time_str()}') if root.exists() else None
    try:
        fresh.mkdir(parents=True)
        for name in inner:
            (fresh / name).mkdir(parents=True, exist_ok=True)
        if archived:
            os.rename(root, archived)
        os.rename(fresh, root)
    except OSError as error:
        shutil.rmtree(fresh, ignore_errors=True)
        if archived and not root.exists():
            os.rename(archived, root)
        raise UserError(f'cannot make the folder {root}: {error.strerror}') from error
    return archived


def unused_name(path):
    """The path, or with a number behind it the first that does not exist yet."""
    numbered, number = path, 1
    while os.path.exists(numbered):
        number += 1
        numbered = f'{path}_{number}'
    return numbered


def write_options(options, folder):
    """Write options as a file that can be run again, named by the time as the log beside it."""
    # BasicSR's log is named by the second: a run that starts within that of another would write over its log.
    while glob.glob(os.path.join(glob.escape(folder), f'*_{get_time_str()}.*')):
        time.sleep(0.1)
    path = os.path.join(folder, f'options_{get_time_str()}.yml')
    with open(path, 'w', encoding='utf-8') as file:
        yaml.safe_dump(options, file, sort_keys=False)


def file_options(opt):
    """The options of a run as a file would hold them: without what BasicSR adds on starting."""
    options = deepcopy({key: value for key, value in opt.items() if key not in ADDED})
    for dataset in options['datasets'].values():
        dataset.pop('phase', None)
    for name in (*ROOTS, *FOLDERS):
        options['path'].pop(name, None)
    return options
