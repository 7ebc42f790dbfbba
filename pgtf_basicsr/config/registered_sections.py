"""Sections that name something by ``type`` and give its arguments: networks, losses, metrics, optimizers.

What such a section may hold is read from the signature of what it names, BasicSR's and a plugin's own alike.
"""

import functools
import importlib
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Literal

import torch
from annotated_types import Ge, MinLen
from basicsr.models import lr_scheduler
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, METRIC_REGISTRY, MODEL_REGISTRY
from pydantic import ConfigDict, Field, TypeAdapter, ValidationError, create_model
from typing_extensions import TypeAliasType

from ..argument_types import Count, NonNegative, Positive
from ..errors import UserError
from .dataset_options import DataSetOptions
from .loss_signatures import compares_frames
from .metric_specification import specification_of
from .mistakes import Keys, first_mistake, mistake_at
from .registries import look_up
from .sections import Section
from .signatures import arguments_of, parameters_of
from .value_types import FILE_CHECK, ExistingFile, Words, as_in_yaml, in_file_check, nearest, refuse, shown

__all__ = [
    'COMPARED',
    'OPTIMIZERS',
    'SCHEDULERS',
    'UNSUITABLE',
    'DataSet',
    'FrameLoss',
    'Loss',
    'Metric',
    'ModelType',
    'Network',
    'Optimizer',
    'Scheduler',
    'check_sections',
    'description_of',
    'is_own',
    'look_up',
    'network_argument',
    'scheduler_arguments',
]

STRICT = ConfigDict(strict=True)
OWN = __name__.partition('.')[0]
# Arguments that validation itself gives a metric: images, or codes and the logits that predict them.
COMPARED = ('img', 'img2', 'logits', 'codes')
# Optimizers that need more than the gradients of a convolutional network: a closure, matrices, sparse gradients.
UNSUITABLE = ('LBFGS', 'Muon', 'SparseAdam')
OPTIMIZERS = {
    name: item
    for name, item in vars(torch.optim).items()
    if inspect.isclass(item)
    and issubclass(item, torch.optim.Optimizer)
    and item is not torch.optim.Optimizer
    and name not in UNSUITABLE
}
SCHEDULERS = {
    'MultiStepLR': lr_scheduler.MultiStepRestartLR,
    'MultiStepRestartLR': lr_scheduler.MultiStepRestartLR,
    'CosineAnnealingRestartLR': lr_scheduler.CosineAnnealingRestartLR,
}
# BasicSR leaves these without annotations.
NETWORK_FILES = tuple((name, ExistingFile | None) for name in ('spynet_path', 'edvr_path'))
SCHEDULER_ARGUMENTS = {
    'milestones': list[Annotated[int, Ge(0)]],
    'gamma': Positive,
    'restarts': list[Annotated[int, Ge(0)]],
    'restart_weights': list[Positive],
    'periods': Annotated[list[Count], MinLen(1)],
    'eta_min': NonNegative,
}


def is_own(item: Any) -> bool:
    """Say whether a class or function is this package's."""
    return item.__module__.partition('.')[0] == OWN


def description_of(item: Any, otherwise: type[Section]) -> Any:
    """Return the description that a registered class brings as ``option_types``, or ``otherwise``.

    The attribute holds a class, or its place as 'package.module:Class', which is then imported when options are
    checked.
    """
    described = getattr(item, 'option_types', otherwise)
    if isinstance(described, str):
        module, _, name = described.partition(':')
        described = getattr(importlib.import_module(module), name)
    return described


def check_sections(kind: Any, sections: Mapping[str, Any], where: str, keys: Keys = ()) -> None:
    """Refuse sections with a mistake, where nobody has checked the option file.

    Args:
        kind: What each of them is, such as `Metric`.
        sections (Mapping): {name: dict(type=..., **arguments)}.
        where (str): What a message begins with.
        keys (tuple): Those that lead to the sections.

    Raises:
        UserError: One line that names the first mistake.
    """
    try:
        TypeAdapter(dict[str, kind], config=STRICT).validate_python(as_in_yaml(sections))
    except ValidationError as error:
        raise UserError(f'{where}: {first_mistake(error, keys)}') from None


def scheduler_arguments(scheduler: Callable[..., Any]) -> type[Section]:
    """Describe the arguments of one of SCHEDULERS."""
    return arguments_of(scheduler, ('optimizer', 'last_epoch'), tuple(SCHEDULER_ARGUMENTS.items()))


def network_argument(section: dict[str, Any], name: str) -> Any:
    """Return an argument of the network that ``section`` describes: as given there, or its default."""
    if name in section:
        return section[name]
    network = look_up(ARCH_REGISTRY, section.get('type', ''))
    defaults = {parameter.name: parameter.default for parameter in parameters_of(network)[0]} if network else {}
    return defaults.get(name)


def _named(section, known, what):
    """Return what ``type`` names; refuse a section without one, or with an unknown one."""
    if 'type' not in section:
        near = nearest('type', section)
        raise (
            mistake_at(near, ': there is no such option; did you mean type?')
            if near
            else mistake_at('type', ' is missing')
        )
    name = section['type']
    if not isinstance(name, str):
        raise mistake_at('type', f' is {shown(name)}; it must be text')
    item = known.get(name) or known.get(f'{name}_basicsr')
    if item is None:
        raise mistake_at('type', f': {what} {name}{_hint(name, known)}')
    return item


def _arguments(section):
    return {name: value for name, value in section.items() if name != 'type'}


def _hint(name, known):
    near = nearest(name, known, cutoff=0.4)
    return f'; did you mean {near.removesuffix("_basicsr")}?' if near else f'; known are {", ".join(sorted(known))}'


def _registered(registry):
    return dict(iter(registry)), 'nothing is registered as'


def _network(section):
    network = _named(section, *_registered(ARCH_REGISTRY))
    arguments = _arguments(section)
    arguments_of(network, (), NETWORK_FILES).model_validate(arguments)
    if is_own(network):
        _build(network, arguments)
    return section


def _build(network, arguments):
    """Build one of this package's networks without memory, because its sizes have to fit each other as well."""
    complaint = _complaint_of_building(network, json.dumps(arguments))
    if complaint:
        refuse(f': {network.__name__} cannot be built from these options: {complaint}')


@functools.lru_cache(maxsize=64)
def _complaint_of_building(network, arguments):
    try:
        with torch.device('meta'):
            network(**json.loads(arguments))
    except (ArithmeticError, LookupError, RuntimeError, TypeError, ValueError) as error:
        return ' '.join(str(error).split())
    return None


def _loss(section):
    loss = _named(section, *_registered(LOSS_REGISTRY))
    weights = (('weights', ExistingFile | None),) if is_own(loss) else ()
    arguments_of(loss, (), weights).model_validate(_arguments(section))
    return section


def _frame_loss(section):
    loss = look_up(LOSS_REGISTRY, _loss(section)['type'])
    if not compares_frames(loss):
        raise mistake_at('type', f': {section["type"]} does not compare restored with real frames')
    return section


def _metric(section):
    metric = _named(section, *_registered(METRIC_REGISTRY))
    specification = specification_of({'type': section['type']})
    if specification.compares == 'other':
        raise mistake_at('type', f': {section["type"]} compares no images, so validation cannot use it')
    is_closed = metric.__module__.partition('.')[0] in (OWN, 'basicsr')
    described = arguments_of(metric, COMPARED, (), is_closed)
    better = Field(specification.better, description='which scores are the better ones')
    described = create_model(described.__name__, __base__=described, better=(Literal['higher', 'lower'], better))
    described.is_open = not is_closed and described.__base__.is_open
    described.model_validate(_arguments(section))
    return section


def _optimizer(section):
    optimizer = _named(section, OPTIMIZERS, 'torch.optim has no')
    arguments = _arguments(section)
    arguments_of(optimizer, ('params',)).model_validate(arguments)
    try:
        optimizer([torch.nn.Parameter(torch.zeros(1))], **arguments)
    except (RuntimeError, TypeError, ValueError) as error:
        refuse(f': {section["type"]} refuses these options: {" ".join(str(error).split())}')
    return section


def _scheduler(section):
    scheduler = _named(section, SCHEDULERS, 'BasicSR has no scheduler')
    scheduler_arguments(scheduler).model_validate(_arguments(section))
    return section


def _data_set(section):
    data_set = _named(section, *_registered(DATASET_REGISTRY))
    description_of(data_set, DataSetOptions).model_validate(section, context=FILE_CHECK)
    return section


def _model_type(name):
    if look_up(MODEL_REGISTRY, name) is None:
        refuse(f': nothing is registered as {name}{_hint(name, dict(iter(MODEL_REGISTRY)))}')
    return name


# Where options are used these stay dicts, which BasicSR's functions build things from. They are named for the sake of
# signatures, as those of `argument_types`.
Network = TypeAliasType('Network', Annotated[dict[str, Any], in_file_check(_network), Words('network')])
Loss = TypeAliasType('Loss', Annotated[dict[str, Any], in_file_check(_loss), Words('loss')])
FrameLoss = TypeAliasType('FrameLoss', Annotated[dict[str, Any], in_file_check(_frame_loss), Words('loss of frames')])
Metric = TypeAliasType('Metric', Annotated[dict[str, Any], in_file_check(_metric), Words('metric')])
Optimizer = TypeAliasType('Optimizer', Annotated[dict[str, Any], in_file_check(_optimizer), Words('optimizer')])
Scheduler = TypeAliasType('Scheduler', Annotated[dict[str, Any], in_file_check(_scheduler), Words('scheduler')])
DataSet = TypeAliasType('DataSet', Annotated[dict[str, Any], in_file_check(_data_set), Words('dataset')])
ModelType = TypeAliasType('ModelType', Annotated[str, in_file_check(_model_type), Words('model')])
