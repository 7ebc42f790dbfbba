"""The sections of an option file, as BasicSR's loop and every model read them.

A registered class that takes BasicSR's ``opt`` can bring typed options of its own, in an attribute ``option_types``.
For a dataset they extend :class:`DataSetOptions`, for a model, which takes the whole file, :class:`RunOptions`::

    class MyTraining(TrainOptions):
        rain_weight: float = Field(1.0, ge=0, description='weight of the rain loss')

    class MyOptions(RunOptions):
        train: MyTraining | None = Field(None, description='how to train')

    @MODEL_REGISTRY.register()
    class MyModel(SRModel):
        option_types = MyOptions

        def __init__(self, opt):
            super().__init__(opt)
            self.options = MyOptions.of_model(self, opt)    # self.options.train.rain_weight

The check of a file then validates these fields, and refuses keys that are not described if ``is_open = False`` says
so. ``contradictions`` reports sections that do not go together. Models without options of their own are checked
against BasicSR's, where only keys that look misspelt are refused.
"""

from collections.abc import Iterator
from itertools import chain
from typing import Any, ClassVar, Literal

import torch
from basicsr.utils.registry import DATASET_REGISTRY, MODEL_REGISTRY
from pydantic import ConfigDict, Field
from typing_extensions import Self

from ..errors import UserError
from .dataset_options import DataSetOptions
from .metric_specification import specification_of
from .mistakes import Keys, dotted
from .registered_sections import (
    DataSet,
    Loss,
    Metric,
    ModelType,
    Network,
    Optimizer,
    Scheduler,
    check_sections,
    description_of,
    look_up,
)
from .sections import Section, section_in, type_of
from .stock_models import misplaced_losses, missing_accumulation, unread_losses
from .value_types import ExistingFile, NumberOfGPUs, RunName

__all__ = ['DataSetOptions', 'PathOptions', 'RunOptions', 'TrainOptions', 'ValOptions', 'value']


class PathOptions(Section):
    """``path``: weights and states to start from. BasicSR takes any other key for a folder to make."""

    families: ClassVar[dict[str, tuple[Any, str]]] = {
        'pretrain_network_*': (ExistingFile | None, 'weights that the network of this name starts from'),
        'param_key_*': (str | None, "key of the weights in the network's file, such as params_ema"),
        'strict_load_*': (bool, 'whether all tensors of the file must fit'),
    }

    resume_state: ExistingFile | None = Field(None, description='training state to resume from')
    ignore_resume_networks: list[str] | None = Field(
        None, description='networks, such as network_vqgan, whose weights do not come with the resumed state'
    )
    keep_checkpoints: int | None = Field(
        None, ge=1, description='newest checkpoints that are kept; older ones are deleted after a save. ~ keeps all'
    )


class TrainOptions(Section):
    """``train``: BasicSR's own keys; names that end on _opt are losses, names that begin with optim_ optimizers."""

    is_open: ClassVar[bool] = True
    families: ClassVar[dict[str, tuple[Any, str]]] = {
        '*_opt': (Loss | None, 'a loss'),
        'optim_*': (Optimizer, 'the optimizer of a network'),
    }

    total_iter: int = Field(ge=1, description='iterations of the whole training')
    warmup_iter: int = Field(-1, ge=-1, description='iterations over which learning rates rise; -1: none')
    ema_decay: float = Field(0, ge=0, lt=1, description='decay of the moving average of the weights; 0: none')
    optim_g: Optimizer = Field(description='optimizer of network_g: a type of torch.optim and its arguments')
    scheduler: Scheduler = Field(description="learning rates: a type of BasicSR's schedulers and its arguments")


class ValOptions(Section):
    """``val``: validation in training, and tests."""

    is_open: ClassVar[bool] = True

    val_freq: int | None = Field(None, ge=1, description='iterations between validations; needed in training')
    save_img: bool = Field(description='save restored images')
    suffix: str | None = Field(None, description='last part of the names of saved images')
    metrics: dict[str, Metric] | None = Field(None, description='scores, each a registered type with its arguments')


class WandbOptions(Section):
    """``logger.wandb``: Weights and Biases, fed from TensorBoard's log."""

    project: str | None = Field(None, description='project of Weights and Biases; ~ for none')
    resume_id: str | None = Field(None, description='run of Weights and Biases to resume')


class LoggerOptions(Section):
    """``logger``: what is logged and saved, and after how many iterations."""

    print_freq: int | None = Field(None, ge=1, description='iterations between lines of the log; needed in training')
    save_checkpoint_freq: int | None = Field(
        None, ge=1, description='iterations between checkpoints; needed in training'
    )
    use_tb_logger: bool = Field(description="write for TensorBoard below tb_logger/, a test's below its results")
    wandb: WandbOptions | None = Field(None, description='write for Weights and Biases')


class DistOptions(Section):
    """``dist_params``: how several processes communicate."""

    backend: Literal['nccl', 'gloo'] = Field('nccl', description='backend on GPUs; on the CPU it is gloo')
    port: int | None = Field(None, ge=1, le=65535, description='port of the first process, under slurm')
    timeout: float = Field(30, gt=0, description='minutes after which a process that waits takes another for dead')


class DataSets(Section):
    """``datasets``: one section each."""

    # Typed by whoever reads one: which options a section has depends on its type.
    model_config = ConfigDict(extra='allow')
    families: ClassVar[dict[str, tuple[Any, str]]] = {
        'train': (DataSet, 'data to train on'),
        'val': (DataSet, 'data to validate on while training'),
        'val_*': (DataSet, 'more of these, such as val_1'),
        'test': (DataSet, 'data to restore in a test'),
        'test_*': (DataSet, 'more of these, such as test_1'),
    }


class RunOptions(Section):
    """An option file."""

    is_open: ClassVar[bool] = True
    families: ClassVar[dict[str, tuple[Any, str]]] = {
        'network_*': (Network, 'a network: a registered type and its arguments')
    }
    # Registries that sections of this file name items of, besides BasicSR's: {heading on the reference page: registry}.
    registries: ClassVar[dict[str, Any]] = {}
    # Whether the model's validation computes dataset-level metrics, and metrics of codes.
    has_dataset_metrics: ClassVar[bool] = False
    has_code_metrics: ClassVar[bool] = False
    # Whether the model's training takes a single value where BasicSR's takes a pair, and the other way round.
    takes_any_pair: ClassVar[bool] = False

    name: RunName = Field(description='name of the run: its folder below experiments/ or results/')
    model_type: ModelType = Field(description='registered name of the model, which drives training and tests')
    num_gpu: NumberOfGPUs = Field(description='GPUs to use, all there are with auto; 0 is the CPU')
    manual_seed: int | None = Field(None, ge=0, lt=2**31, description='seed of all random draws; ~ draws one')
    deterministic: bool = Field(
        False, description='train on a GPU with the same bits in every run of one seed; slower, and not for all losses'
    )
    scale: int | float | None = Field(None, gt=0, description='factor of super-resolution, told to every dataset')
    find_unused_parameters: bool = Field(
        False, description='let networks have parameters without gradient, with several processes'
    )
    dist_params: DistOptions | None = Field(None, description='how several processes communicate')
    datasets: DataSets = Field(description='datasets')
    network_g: Network = Field(description='the network that restores: a registered type and its arguments')
    path: PathOptions = Field(description='weights and states to start from')
    train: TrainOptions | None = Field(None, description='how to train')
    val: ValOptions | None = Field(None, description='how to validate and test')
    logger: LoggerOptions | None = Field(None, description='what is logged and saved, and how often')

    @classmethod
    def of_model(cls, model: Any, opt: dict[str, Any]) -> Self:
        """Read the options of a model that is being built, as BasicSR hands them to it.

        Args:
            model (BaseModel): The model; its class is named in messages where the options are not those of a file.
            opt (dict): The options of a run: those of a file, and what BasicSR adds.

        Raises:
            UserError: A value is missing or wrong, or two do not go together; one line.
        """
        where = opt.get('option_file') or type(model).__name__
        options = cls.from_options(opt, where)
        if options.val is not None and options.val.metrics:
            check_sections(Metric, options.val.metrics, where, ('val', 'metrics'))
        mistakes = cls.contradictions(options.model_dump(), opt['is_train'])
        for keys, message in chain(mistakes, cls.misused_losses(opt)):
            raise UserError(f'{where}: {dotted(keys)}{message}')
        return options

    @classmethod
    def contradictions(cls, options: dict[str, Any], is_train: bool) -> Iterator[tuple[Keys, str]]:
        """Yield (keys, message) for values that do not go together, in the check of a file and wherever they are used.

        Args:
            options (dict): The options with their defaults. In the check of a file wrong values are taken out, and
                needed ones may be missing.
            is_train (bool): For training, or for a test.
        """
        if options.get('train'):
            yield from _training(options['train'])
        logger = options.get('logger') or {}
        if value(logger, 'wandb', 'project') is not None and logger.get('use_tb_logger') is False:
            yield ('logger', 'wandb', 'project'), ' needs logger.use_tb_logger: true'
        yield from _metrics(options, cls)

    @classmethod
    def misused_losses(cls, options: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
        """Yield (keys, message) for losses that the model does not read, or not where they stand.

        Args:
            options (dict): As they stand in the file, those that are not described among them.
        """
        described: Any = section_in(type_of(cls.model_fields['train']))
        model, train = _model_of(options), options.get('train')
        if model is not None and train and described.is_open:
            yield from unread_losses(model, train, described.described_keys())
            yield from misplaced_losses(model, train, cls.takes_any_pair)

    @classmethod
    def needs(cls, options: dict[str, Any], is_train: bool) -> Iterator[tuple[Keys, str]]:
        """Yield (keys, message) for what a run and this machine ask of a file that is checked.

        Args:
            options (dict): The options as they stand in the file, without wrong values.
            is_train (bool): For training, or for a test.
        """
        yield from _gpus(options)
        yield from _needed_to_train(options) if is_train else _needed_to_test(options, cls)
        yield from _data_sets(options, is_train)
        model = _model_of(options)
        if model is not None and model.__module__.partition('.')[0] == 'basicsr':
            yield from _basicsr_models(options, is_train)


def value(options: Any, *keys: str) -> Any:
    """Return the value at nested keys, or None where one of them is missing."""
    for key in keys:
        options = options.get(key) if isinstance(options, dict) else None
    return options


def _model_of(options):
    return look_up(MODEL_REGISTRY, options.get('model_type') or '')


def _gpus(options):
    chosen, present = options.get('num_gpu'), torch.cuda.device_count()
    if isinstance(chosen, int) and chosen > present:
        yield ('num_gpu',), f' is {chosen}, but {present} can be used here: set it to 0 for the CPU, or to auto'


def _metrics(options, model_options):
    model = _model_of(options)
    for name, section in (value(options, 'val', 'metrics') or {}).items():
        specification = specification_of(section)
        problem = None
        if specification.is_dataset_level and not model_options.has_dataset_metrics:
            problem = 'is a dataset-level metric'
        elif specification.compares == 'codes' and not model_options.has_code_metrics:
            problem = 'compares codes'
        elif model is not None:
            problem = missing_accumulation(model, specification)
        if problem:
            yield (
                ('val', 'metrics', name, 'type'),
                f': {section["type"]} {problem}, which {options.get("model_type")} cannot measure',
            )


def _needed_to_train(options):
    for keys in (('train',), ('logger',), ('datasets', 'train')):
        if value(options, *keys) is None:
            yield keys, ' is missing'
    for section, key in (('logger', 'print_freq'), ('logger', 'save_checkpoint_freq'), ('val', 'val_freq')):
        if options.get(section) is not None and options[section].get(key) is None:
            yield (section, key), ' is missing'


def _needed_to_test(options, model_options):
    if options.get('val') is None:
        yield ('val',), ' is missing: a test needs val.save_img'
    has_network = model_options.model_fields['network_g'].is_required()
    if has_network and value(options, 'path', 'pretrain_network_g') is None:
        yield ('path', 'pretrain_network_g'), ' is missing: a test needs weights'
    if not [name for name in options.get('datasets') or {} if name != 'train']:
        yield ('datasets',), ' holds nothing to test on: it needs a section test, or test_1 and so on'


def _data_sets(options, is_train):
    for name, section in (options.get('datasets') or {}).items():
        phase = str(name).partition('_')[0]
        if phase == 'test' and is_train:
            yield ('datasets', name), ': training has datasets train, val, val_1 and so on'
        data_set = look_up(DATASET_REGISTRY, section.get('type', ''))
        if data_set is not None and (is_train or phase != 'train'):
            described = description_of(data_set, DataSetOptions)
            completed = described.with_defaults(section)
            for check in (described.contradictions, described.needs):
                for keys, message in check(completed, phase):
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
    """Yield what BasicSR's own models read without a check that it is there."""
    for name, section in (options.get('train') or {}).items():
        if name.startswith('optim_') and is_train and isinstance(section, dict) and 'lr' not in section:
            yield ('train', name, 'lr'), ' is missing'
    if not is_train and value(options, 'val', 'save_img') and 'suffix' not in options['val']:
        yield ('val', 'suffix'), ' is missing: ~ names images by the run'
