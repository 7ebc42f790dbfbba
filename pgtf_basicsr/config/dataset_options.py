"""Options of one dataset: what BasicSR's loaders read, which every dataset's own options extend."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

import torch
from pydantic import Field
from typing_extensions import Self

from ..errors import UserError
from .mistakes import Keys, dotted
from .sections import Section
from .value_types import ExistingPath, FileName, as_in_yaml

__all__ = ['DataSetOptions']


class DataSetOptions(Section):
    """One dataset below ``datasets``: what BasicSR's loaders read, and the dataset's own keys."""

    is_open: ClassVar[bool] = True
    families: ClassVar[dict[str, tuple[Any, str]]] = {'dataroot_*': (ExistingPath | None, 'folder of the data')}

    name: FileName = Field(description='name of the dataset, in logs and result folders')
    type: str = Field(description='registered name of the dataset')
    phase: Literal['train', 'val', 'test'] = Field(
        'train', description='set by BasicSR from the name of the section', exclude=True
    )
    scale: int | float | None = Field(None, gt=0, description="set by BasicSR from the file's scale", exclude=True)
    meta_info_file: ExistingPath | None = Field(None, description='list of the data to take')
    batch_size_per_gpu: int | None = Field(
        None, ge=1, description='samples that a process takes at once; needed in training'
    )
    num_worker_per_gpu: int | None = Field(
        None, ge=0, description='loader processes of each process, 0 for none; needed in training'
    )
    persistent_workers: bool = Field(False, description='keep loader processes from epoch to epoch')
    pin_memory: bool = Field(False, description='load into page-locked memory, faster to copy to a GPU')
    prefetch_mode: Literal['cpu', 'cuda'] | None = Field(
        None, description='load the next batch ahead in a thread (cpu) or onto the GPU (cuda, with pin_memory)'
    )
    num_prefetch_queue: int = Field(1, ge=1, description='batches ahead with prefetch_mode cpu')
    dataset_enlarge_ratio: int = Field(1, ge=1, description='times an epoch goes through the dataset')

    @classmethod
    def of_dataset(cls, dataset: Any, opt: dict[str, Any]) -> Self:
        """Read the options of a dataset that is being built, as BasicSR or anybody else hands them to it.

        Args:
            dataset (Dataset): The dataset; its class stands for the name and the type where the options have none.
            opt (dict): Its options, see `Section.from_options`.

        Raises:
            UserError: A value is missing or wrong, or two do not go together; one line.
        """
        class_name = type(dataset).__name__
        section = {'name': class_name, 'type': class_name, **as_in_yaml(opt)}
        where = f'dataset {section["name"]}'
        options = cls.from_options(section, where)
        for keys, message in cls.contradictions(cls.with_defaults(section), options.phase):
            raise UserError(f'{where}: {dotted(keys)}{message}')
        return options

    @classmethod
    def contradictions(cls, section: dict[str, Any], phase: str) -> Iterator[tuple[Keys, str]]:
        """Yield (keys, message) for values that do not go together, in the check of a file and wherever they are used.

        Args:
            section (dict): The options with their defaults. In the check of a file wrong values are taken out.
            phase (str): 'train', 'val' or 'test'.
        """
        yield from ()

    @classmethod
    def needs(cls, section: dict[str, Any], phase: str) -> Iterator[tuple[Keys, str]]:
        """Yield (keys, message) for what BasicSR's loaders and this machine ask of a section, in the check of a file.

        Args:
            section (dict): As of `contradictions`.
            phase (str): As of `contradictions`.
        """
        if phase == 'train':
            for key in ('batch_size_per_gpu', 'num_worker_per_gpu'):
                if section.get(key) is None:
                    yield (key,), ' is missing'
        if section.get('persistent_workers') and (phase != 'train' or section.get('num_worker_per_gpu') == 0):
            where = ' in validation' if phase != 'train' else ': raise num_worker_per_gpu or set it to false'
            yield ('persistent_workers',), f' is true, but there are no workers{where}'
        if section.get('prefetch_mode') == 'cuda' and phase == 'train':
            if section.get('pin_memory') is not True:
                yield ('prefetch_mode',), ' is cuda, which needs pin_memory: true'
            if not torch.cuda.is_available():
                yield ('prefetch_mode',), ' is cuda, but there is no GPU here: set it to cpu or ~'
