"""The sections of an option file, as BasicSR's loop and every model read them.

A registered class that takes BasicSR's ``opt`` can bring a description of its own, in an attribute
``option_types``: the class itself, or its place as 'package.module:Class'.  For a data set it extends
:class:`DataSetOptions`, for a model, which takes the whole file, :class:`RunOptions`::

    class MyTraining(TrainOptions):
        rain_weight: float = Field(1.0, ge=0, description='weight of the rain loss')

    class MyOptions(RunOptions):
        train: MyTraining | None = Field(None, description='how to train')

    @MODEL_REGISTRY.register()
    class MyModel(SRModel):
        option_types = MyOptions

Its fields are then checked, and its keys that are not described refused if ``is_open = False`` says so.
Whatever sections contradict each other is told by ``contradictions``.  Models without a description get
BasicSR's, in which only the misspelt ones of unknown keys are refused.
"""

from typing import Any, ClassVar, Literal

import torch
from basicsr.utils.registry import DATASET_REGISTRY, MODEL_REGISTRY
from pydantic import Field

from .registered import DataSet, Loss, Metric, ModelType, Network, Optimizer, Scheduler, description_of, look_up
from .sections import Section
from .specification import specification_of
from .value_types import ExistingFile, ExistingPath, NumberOfGPUs, RunName

__all__ = ['DataSetOptions', 'PathOptions', 'RunOptions', 'TrainOptions', 'ValOptions']


class DataSetOptions(Section):
    """One data set below ``datasets``: what BasicSR's loaders read, and the data set's own keys."""

    is_open: ClassVar[bool] = True
    families: ClassVar[dict] = {'dataroot_*': (ExistingPath | None, 'folder of the data')}

    name: str = Field(description='name of the data set, in logs and result folders')
    type: str = Field(description='registered name of the data set')
    phase: Any = Field(None, description='set by BasicSR from the name of the section', exclude=True)
    meta_info_file: ExistingPath | None = Field(None, description='list of what to take of the data')
    batch_size_per_gpu: int = Field(None, ge=1, description='samples a process takes at once; needed in training')
    num_worker_per_gpu: int = Field(
        None, ge=0, description='loader processes a process has, 0 for none; needed in training'
    )
    persistent_workers: bool = Field(False, description='keep loader processes from epoch to epoch')
    pin_memory: bool = Field(False, description='load into page-locked memory, faster to copy to a GPU')
    prefetch_mode: Literal['cpu', 'cuda'] | None = Field(
        None, description='load the next batch ahead in a thread (cpu) or onto the GPU (cuda, with pin_memory)'
    )
    num_prefetch_queue: int = Field(1, ge=1, description='batches ahead with prefetch_mode cpu')
    dataset_enlarge_ratio: int = Field(1, ge=1, description='times an epoch goes through the data set')

    @classmethod
    def contradictions(cls, section, phase):
        """Yield (keys, message) for what does not go together in this section; wrong values are taken out."""
        if phase == 'train':
            for key in ('batch_size_per_gpu', 'num_worker_per_gpu'):
                if key not in section:
                    yield (key,), ' is missing'
        if section.get('persistent_workers') and (phase != 'train' or section.get('num_worker_per_gpu') == 0):
            yield (
                ('persistent_workers',),
                ' is true, but there are no workers'
                + (' in validation' if phase != 'train' else ': raise num_worker_per_gpu or set it to false'),
            )
        if section.get('prefetch_mode') == 'cuda' and phase == 'train':
            if section.get('pin_memory') is not True:
                yield ('prefetch_mode',), ' is cuda, which needs pin_memory: true'
            if not torch.cuda.is_available():
                yield ('prefetch_mode',), ' is cuda, but there is no GPU here: set it to cpu or ~'


class PathOptions(Section):
    """``path``: weights and states to start from. BasicSR takes any other key for a folder to make."""

    families: ClassVar[dict] = {
        'pretrain_network_*': (ExistingFile | None, 'weights that the network of this name starts from'),
        'param_key_*': (str | None, "key of the weights in the network's file, such as params_ema"),
        'strict_load_*': (bool, 'whether all tensors of the file must fit'),
    }

    resume_state: ExistingFile | None = Field(None, description='training state to go on from')
    ignore_resume_networks: list[str] = Field(
        None, description='networks, such as network_vqgan, whose weights do not come with the resumed state'
    )
    keep_checkpoints: int | None = Field(
        None, ge=1, description='newest checkpoints that are kept; older ones are deleted after a save. ~ keeps all'
    )


class TrainOptions(Section):
    """``train``: BasicSR's own keys; whatever ends on _opt is a loss, whatever begins with optim_ an optimiser."""

    is_open: ClassVar[bool] = True
    families: ClassVar[dict] = {'*_opt': (Loss | None, 'a loss'), 'optim_*': (Optimizer, 'the optimiser of a network')}

    total_iter: int = Field(ge=1, description='iterations of the whole training')
    warmup_iter: int = Field(-1, ge=-1, description='iterations over which learning rates rise; -1: none')
    ema_decay: float = Field(0, ge=0, lt=1, description='decay of the moving average of the weights; 0: none')
    optim_g: Optimizer = Field(description='optimiser of network_g: a type of torch.optim and its arguments')
    scheduler: Scheduler = Field(description="learning rates: a type of BasicSR's schedulers and its arguments")


class ValOptions(Section):
    """``val``: validation while training, and tests."""

    is_open: ClassVar[bool] = True

    val_freq: int = Field(None, ge=1, description='iterations between validations; needed in training')
    save_img: bool = Field(description='save restored pictures')
    suffix: str | None = Field(None, description='last part of the names of saved pictures')
    metrics: dict[str, Metric] | None = Field(None, description='scores, each a registered type with its arguments')


class WandbOptions(Section):
    """``logger.wandb``: Weights and Biases, fed from TensorBoard's log."""

    project: str | None = Field(None, description='project of Weights and Biases; ~ does without')
    resume_id: str | None = Field(None, description='run to go on with')


class LoggerOptions(Section):
    """``logger``: what is written down how often, in iterations."""

    print_freq: int = Field(None, ge=1, description='iterations between lines of the log; needed in training')
    save_checkpoint_freq: int = Field(None, ge=1, description='iterations between checkpoints; needed in training')
    use_tb_logger: bool = Field(description="write for TensorBoard below tb_logger/, a test's below its results")
    wandb: WandbOptions | None = Field(None, description='write for Weights and Biases')


class DistOptions(Section):
    """``dist_params``: how processes talk to each other, when there are several."""

    backend: Literal['nccl', 'gloo'] = Field('nccl', description='where there are GPUs; otherwise it is gloo')
    port: int | None = Field(None, ge=1, le=65535, description='port of the first process, under slurm')
    timeout: float = Field(30, gt=0, description='minutes after which a process that waits takes another for dead')


class DataSets(Section):
    """``datasets``: one section each."""

    families: ClassVar[dict] = {
        'val': (DataSet, 'data to validate on while training'),
        'val_*': (DataSet, 'more of these, such as val_1'),
        'test': (DataSet, 'data to restore in a test'),
        'test_*': (DataSet, 'more of these, such as test_1'),
    }

    train: DataSet = Field(None, description='data to train on')


class RunOptions(Section):
    """An option file."""

    is_open: ClassVar[bool] = True
    families: ClassVar[dict] = {'network_*': (Network, 'a network: a registered type and its arguments')}
    # Whether the model's validation computes dataset-level metrics, and metrics of codes.
    has_dataset_metrics: ClassVar[bool] = False
    has_code_metrics: ClassVar[bool] = False

    name: RunName = Field(description='name of the run: its folder below experiments/ or results/')
    model_type: ModelType = Field(description='registered name of the model, which drives training and tests')
    num_gpu: NumberOfGPUs = Field(description='GPUs to use, all there are with auto; 0 is the CPU')
    manual_seed: int | None = Field(None, ge=0, lt=2**31, description='seed of all random draws; ~ draws one')
    scale: int | float | None = Field(None, gt=0, description='factor of super-resolution, told to every data set')
    find_unused_parameters: bool = Field(
        False, description='let networks have parameters without gradient, with several processes'
    )
    dist_params: DistOptions | None = Field(None, description='how several processes talk to each other')
    datasets: DataSets = Field(description='data sets')
    network_g: Network = Field(description='the network that restores: a registered type and its arguments')
    path: PathOptions = Field(description='weights and states to start from')
    train: TrainOptions | None = Field(None, description='how to train')
    val: ValOptions | None = Field(None, description='how to validate and test')
    logger: LoggerOptions | None = Field(None, description='what is written down how often')

    @classmethod
    def contradictions(cls, options, is_train):
        """Yield (keys, message) for what sections need of each other, or refuse each other.

        Args:
            options (dict): The options without wrong values; needed ones may be missing.
            is_train (bool): For training, or for a test.
        """
        yield from _gpus(options)
        yield from _needed_to_train(options) if is_train else _needed_to_test(options)
        yield from _data_sets(options, is_train)
        if options.get('train'):
            yield from _training(options['train'])
        if (
            value(options, 'logger', 'wandb', 'project') is not None
            and value(options, 'logger', 'use_tb_logger') is False
        ):
            yield ('logger', 'wandb', 'project'), ' needs logger.use_tb_logger: true'
        yield from _metrics(options, cls)
        model = look_up(MODEL_REGISTRY, options.get('model_type', ''))
        if model is not None and model.__module__.partition('.')[0] == 'basicsr':
            yield from _basicsr_models(options, is_train)


def value(options, *keys):
    """The value at nested keys, or None where one of them is missing."""
    for key in keys:
        options = options.get(key) if isinstance(options, dict) else None
    return options


def _gpus(options):
    wanted, present = options.get('num_gpu'), torch.cuda.device_count()
    if isinstance(wanted, int) and wanted > present:
        yield ('num_gpu',), f' is {wanted}, but {present} can be used here: set it to 0 for the CPU, or to auto'


def _metrics(options, model_options):
    for name, section in (value(options, 'val', 'metrics') or {}).items():
        specification = specification_of(section)
        problem = None
        if specification.is_dataset_level and not model_options.has_dataset_metrics:
            problem = 'is a dataset-level metric'
        elif specification.compares == 'codes' and not model_options.has_code_metrics:
            problem = 'compares codes'
        if problem:
            yield (
                ('val', 'metrics', name, 'type'),
                f': {section["type"]} {problem}, which {options.get("model_type")} cannot measure',
            )


def _needed_to_train(options):
    for keys in (('train',), ('logger',), ('datasets', 'train')):
        if value(options, *keys) is None:
            yield keys, ' is missing'
    for key in ('print_freq', 'save_checkpoint_freq'):
        if options.get('logger') is not None and key not in options['logger']:
            yield ('logger', key), ' is missing'
    if options.get('val') is not None and 'val_freq' not in options['val']:
        yield ('val', 'val_freq'), ' is missing'


def _needed_to_test(options):
    if options.get('val') is None:
        yield ('val',), ' is missing: a test needs val.save_img'
    if value(options, 'path', 'pretrain_network_g') is None:
        yield ('path', 'pretrain_network_g'), ' is missing: a test needs weights'
    if not [name for name in options.get('datasets') or {} if name != 'train']:
        yield ('datasets',), ' holds nothing to test on: it needs a section test, or test_1 and so on'


def _data_sets(options, is_train):
    for name, section in (options.get('datasets') or {}).items():
        phase = str(name).partition('_')[0]
        if phase == 'test' and is_train:
            yield ('datasets', name), ': training has data sets train, val, val_1 and so on'
        data_set = look_up(DATASET_REGISTRY, section.get('type', ''))
        if data_set is not None and (is_train or phase != 'train'):
            for keys, message in description_of(data_set, DataSetOptions).contradictions(section, phase):
                yield ('datasets', name, *keys), message


def _training(train):
    scheduler = train.get('scheduler') or {}
    for steps in ('periods', 'restarts'):
        if steps in scheduler or (steps == 'restarts' and scheduler.get('type', '').startswith('MultiStep')):
            count = len(scheduler.get(steps, (0,)))
            weights = len(scheduler.get('restart_weights', (1,)))
            if count != weights:
                yield (
                    ('train', 'scheduler'),
                    (f' has {count} {steps} and {weights} restart_weights (default: [1]): there must be as many'),
                )


def _basicsr_models(options, is_train):
    """What BasicSR's own models read without asking whether it is there."""
    for name, section in (options.get('train') or {}).items():
        if name.startswith('optim_') and is_train and isinstance(section, dict) and 'lr' not in section:
            yield ('train', name, 'lr'), ' is missing'
    if not is_train and value(options, 'val', 'save_img') and 'suffix' not in options['val']:
        yield ('val', 'suffix'), ' is missing: ~ names pictures by the run'
