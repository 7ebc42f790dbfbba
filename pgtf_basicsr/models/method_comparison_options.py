"""Options of MethodComparisonModel."""

import os
from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, Field
from typing_extensions import TypeAliasType

from ..config.mistakes import Keys
from ..config.schema import RunOptions, ValOptions
from ..config.sections import Section
from ..config.value_types import Words, in_file_check, nearest, refuse, shown
from ..files import is_file_name
from ..methods.aligned import Smoothing
from ..methods.registry import METHOD_REGISTRY, check_options
from .trainable_options import check_dataset_names

__all__ = ['ALIGNMENTS', 'MethodComparisonOptions', 'alignment_of', 'method_options']

# How faces are aligned for a method, and the smoothing of `methods.aligned.AlignedPipeline`.
ALIGNMENTS: dict[str, Smoothing | None] = {'none': None, 'frame': 'none', 'shot': 'shot'}
# Option of a method's section that is not an argument of the method.
ALIGNMENT = 'alignment'
# Folders of the results that are not a method's.
TAKEN_NAMES = ('visualization', 'tb_logger')


def method_options(section: dict[str, Any]) -> dict[str, Any]:
    """Return what a method is built from: its type and arguments, ~ resolved."""
    options = {key: item for key, item in section.items() if key != ALIGNMENT}
    if isinstance(options.get('weights'), str):
        options['weights'] = os.path.expanduser(options['weights'])
    return options


def alignment_of(section: dict[str, Any], dataset: str) -> str:
    """Return how faces of a dataset are aligned for a method, one of `ALIGNMENTS`."""
    alignment = section.get(ALIGNMENT, 'none')
    return alignment.get(dataset, 'none') if isinstance(alignment, dict) else alignment


def _method(section):
    check_options(method_options(section))
    return section


def _method_name(name):
    # It becomes a folder below that of the results.
    if not is_file_name(name):
        refuse(' must be the name of a folder')
    if name in TAKEN_NAMES:
        refuse(' is the name of a folder of the results: choose another one')
    return name


def _absent(section):
    if section is not None:
        refuse(': there is no such option for MethodComparisonModel; take it out')


Method = TypeAliasType('Method', Annotated[dict[str, Any], in_file_check(_method), Words('method')])
MethodName = Annotated[str, AfterValidator(_method_name)]
Absent = Annotated[None, BeforeValidator(_absent)]


class TimingOptions(Section):
    """``val.timing``: seconds a frame, of the methods in turn."""

    frames: int = Field(24, ge=1, description='frames of the first clip that are restored')
    rounds: int = Field(5, ge=1, description='times that each method restores them')


class MethodComparisonPath(Section):
    """``path`` of MethodComparisonModel."""

    pretrain_network_vqgan: str | None = Field(
        None, description='weights of stage I, whose codes metrics of codes compare with'
    )


class MethodComparisonValidation(ValOptions):
    """``val`` of MethodComparisonModel."""

    is_open: ClassVar[bool] = False

    input: Literal['lq', 'gt'] = Field(
        'lq', description='what methods are given: degraded clips, or the ground truth, which autoencoders reconstruct'
    )
    detector: Literal['auto', 'retinaface', 'centerface'] = Field(
        'auto', description='what finds faces to align; auto is retinaface where its weights are there'
    )
    timing: TimingOptions | None = Field(None, description='measure seconds a frame; ~ does not')


class MethodComparisonOptions(RunOptions):
    """An option file for MethodComparisonModel."""

    is_open: ClassVar[bool] = False
    families: ClassVar[dict[str, tuple[Any, str]]] = {}
    has_dataset_metrics: ClassVar[bool] = True
    has_code_metrics: ClassVar[bool] = True
    registries: ClassVar[dict[str, Any]] = {'Methods': METHOD_REGISTRY}

    methods: dict[MethodName, Method] = Field(
        min_length=1,
        description='methods by the names of their rows: a registered type, its arguments, and `alignment`: none, '
        'frame (landmarks of each frame, as published), shot (smoothed in a shot), or one of these for each dataset',
    )
    # Methods bring their networks, and a test's log of TensorBoard has one run.
    network_g: Absent = Field(None, exclude=True)  # type: ignore[assignment]
    train: Absent = Field(None, exclude=True)
    logger: Absent = Field(None, exclude=True)
    path: MethodComparisonPath | None = Field(  # type: ignore[assignment]
        None, description='weights that metrics need'
    )
    val: MethodComparisonValidation | None = Field(None, description='what is measured')

    @classmethod
    def contradictions(cls, options: dict[str, Any], is_train: bool) -> Iterator[tuple[Keys, str]]:
        yield from super().contradictions(options, is_train)
        if is_train:
            yield ('model_type',), f' is {options.get("model_type")}, which is for tests: use basicsr test'
        yield from check_dataset_names(options)
        names = [section.get('name', key) for key, section in (options.get('datasets') or {}).items()]
        for method, section in (options.get('methods') or {}).items():
            for keys, message in _check_alignment(section.get(ALIGNMENT, 'none'), names):
                yield ('methods', method, ALIGNMENT, *keys), message


def _check_alignment(alignment, datasets):
    """Yield (keys, message) for alignments that there are not, and those of datasets that there are not."""
    if not isinstance(alignment, dict):
        alignment = {None: alignment}
    for dataset, word in alignment.items():
        keys = () if dataset is None else (dataset,)
        if dataset is not None and dataset not in datasets:
            near = nearest(dataset, datasets)
            hint = f'did you mean {near}?' if near else f'there are {", ".join(map(str, datasets))}'
            yield keys, f': there is no dataset of this name; {hint}'
        elif not isinstance(word, str) or word not in ALIGNMENTS:
            yield keys, f' is {shown(word)}; it must be one of {", ".join(ALIGNMENTS)}'
