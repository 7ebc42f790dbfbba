"""Sections that name something by ``type`` and give its arguments: networks, losses, metrics, optimisers.

What such a section may hold is read from the signature of what it names, BasicSR's and a plugin's own alike.
"""

import dataclasses
import functools
import importlib
import inspect
import json
import re
import typing
from typing import Annotated, Literal

import torch
from annotated_types import Ge, MinLen
from basicsr.models import lr_scheduler
from basicsr.utils.registry import ARCH_REGISTRY, DATASET_REGISTRY, LOSS_REGISTRY, METRIC_REGISTRY, MODEL_REGISTRY
from pydantic import AfterValidator, Field, create_model

from ..argument_types import Count, NonNegative, Positive
from .registries import look_up
from .sections import Section, mistake_at
from .specification import specification_of
from .value_types import ExistingFile, Words, nearest, refuse, shown, type_of_annotation, type_of_default

__all__ = [
    'COMPARED',
    'OPTIMIZERS',
    'SCHEDULERS',
    'UNSUITABLE',
    'ArgumentsOf',
    'DataSet',
    'Loss',
    'Metric',
    'ModelType',
    'Network',
    'Optimizer',
    'Scheduler',
    'arguments_of',
    'description_of',
    'is_own',
    'look_up',
    'network_argument',
    'scheduler_arguments',
]

OWN = __name__.partition('.')[0]
# What validation itself hands to a metric: pictures, or codes and what predicts them.
COMPARED = ('img', 'img2', 'logits', 'codes')
# These want something else than a convolutional network's gradients: a closure, matrices, sparse gradients.
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
SCHEDULER_ARGUMENTS = {
    'milestones': list[Annotated[int, Ge(0)]],
    'gamma': Positive,
    'restarts': list[Annotated[int, Ge(0)]],
    'restart_weights': list[Positive],
    'periods': Annotated[list[Count], MinLen(1)],
    'eta_min': NonNegative,
}


def is_own(item):
    """Whether a class or function is this package's."""
    return item.__module__.partition('.')[0] == OWN


def description_of(item, otherwise):
    """The description that a registered class brings as ``option_types``, or ``otherwise``.

    The attribute holds a class, or its place as 'package.module:Class', so that the description is
    imported only when options are checked.
    """
    described = getattr(item, 'option_types', otherwise)
    if isinstance(described, str):
        module, _, name = described.partition(':')
        described = getattr(importlib.import_module(module), name)
    return described


@functools.cache
def arguments_of(item, left_out=(), known=(), closed=False):
    """Describe the arguments of a class or function.

    Args:
        item: The class or function. A ``**kwargs`` of a constructor goes to the next class that has one.
        left_out (tuple[str]): Arguments that no option gives.
        known (tuple): Pairs of an argument and its type, for what has no annotation.
        closed (bool): Refuse unknown arguments even where the signature takes any.

    Returns:
        type: A :class:`Section` with a field for each argument.
    """
    parameters, takes_any = parameters_of(item)
    known = dict(known)
    fields = {}
    for number, parameter in enumerate(parameters):
        name, default, annotation = parameter.name, parameter.default, parameter.annotation
        if name in left_out:
            continue
        if name in known:
            kind = known[name]
        elif annotation is parameter.empty:
            kind = type_of_default(_documented_default(item, name) if default is parameter.empty else default)
        else:
            kind = type_of_annotation(annotation, default)
        # A default is not checked; `...` is pydantic's word for a field without one.
        fields[f'argument_{number}'] = (kind, Field(... if default is parameter.empty else default, alias=name))
    described = create_model(item.__name__, __base__=Section, **fields)
    described.is_open = takes_any and not closed
    return described


def parameters_of(item):
    """Parameters that a class or function takes by name, and whether it takes any other besides.

    Returns:
        tuple: A list of inspect.Parameter, annotations resolved; a bool.
    """
    functions = [item]
    if inspect.isclass(item):
        functions = [vars(ancestor)['__init__'] for ancestor in item.__mro__ if '__init__' in vars(ancestor)]
    found = {}
    for function in functions:
        takes_any = False
        annotations = _annotations(function)
        parameters = list(inspect.signature(function).parameters.values())
        for parameter in parameters[1:] if inspect.isclass(item) else parameters:
            if parameter.kind is parameter.VAR_KEYWORD:
                takes_any = True
            elif parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                annotation = annotations.get(parameter.name, parameter.annotation)
                default = _made_default(item, parameter)
                found.setdefault(parameter.name, parameter.replace(annotation=annotation, default=default))
        if not takes_any:
            return list(found.values()), False
    return list(found.values()), True


def _documented_default(item, name):
    """An example of what the docstring says a parameter is, for want of annotation and default; else None."""
    known = {'bool': False, 'float': 0.5, 'int': 2, 'str': ''}
    said = re.search(rf'^ *{name} \((bool|float|int|str)\):', item.__doc__ or '', re.MULTILINE)
    return known[said[1]] if said else None


def _made_default(item, parameter):
    """Default of a parameter; that of a dataclass which makes it anew each time stands for something else."""
    field = getattr(item, '__dataclass_fields__', {}).get(parameter.name)
    makes_it = field is not None and field.default_factory is not dataclasses.MISSING
    return field.default_factory() if makes_it else parameter.default


def _annotations(function):
    try:
        return typing.get_type_hints(function, include_extras=True)
    except Exception:  # A plugin's annotations may name whatever its type checker alone can see.
        return dict.fromkeys(getattr(function, '__annotations__', ()), inspect.Parameter.empty)


class ArgumentsOf:
    """Type of a section that holds the arguments of ``item`` and can be tried out, such as a dataclass'.

    Each key is tried alone first, so that its mistake is told in its line.
    """

    def __init__(self, item, refusal):
        self.item = item
        self.refusal = refusal

    def __call__(self, value):
        arguments_of(self.item).model_validate(value)
        for key, argument in value.items():
            self._try({key: argument}, key)
        self._try(value, None)
        return value

    def _try(self, arguments, key):
        try:
            self.item(**arguments)
        except self.refusal as error:
            _, _, complaint = str(error).partition(': ')
            if key is None:
                refuse(f': {complaint}')
            raise mistake_at(key, f': {complaint}') from error


def scheduler_arguments(scheduler):
    """Describe the arguments of one of SCHEDULERS."""
    return arguments_of(scheduler, ('optimizer', 'last_epoch'), tuple(SCHEDULER_ARGUMENTS.items()))


def network_argument(section, name):
    """Argument of the network that ``section`` describes: as given there, or its default."""
    if name in section:
        return section[name]
    network = look_up(ARCH_REGISTRY, section.get('type'))
    defaults = {parameter.name: parameter.default for parameter in parameters_of(network)[0]} if network else {}
    return defaults.get(name)


def _named(section, known, what):
    """Name under ``type`` and what it stands for; refuse a section without one, or with an unknown one."""
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
    arguments_of(network).model_validate(arguments)
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
    from .schema import DataSetOptions

    data_set = _named(section, *_registered(DATASET_REGISTRY))
    description_of(data_set, DataSetOptions).model_validate(section)
    return section


def _model_type(name):
    if look_up(MODEL_REGISTRY, name) is None:
        refuse(f': nothing is registered as {name}{_hint(name, dict(iter(MODEL_REGISTRY)))}')
    return name


Network = Annotated[dict, AfterValidator(_network), Words('network')]
Loss = Annotated[dict, AfterValidator(_loss), Words('loss')]
Metric = Annotated[dict, AfterValidator(_metric), Words('metric')]
Optimizer = Annotated[dict, AfterValidator(_optimizer), Words('optimiser')]
Scheduler = Annotated[dict, AfterValidator(_scheduler), Words('scheduler')]
DataSet = Annotated[dict, AfterValidator(_data_set), Words('data set')]
ModelType = Annotated[str, AfterValidator(_model_type), Words('model')]
