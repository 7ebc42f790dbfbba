"""Options of the models of this package."""

from collections.abc import Iterator
from typing import Annotated, Any, ClassVar, Literal

from basicsr.utils.registry import ARCH_REGISTRY
from pydantic import Field

from ..config.mistakes import Keys
from ..config.registered_sections import look_up
from ..config.schema import PathOptions, RunOptions, TrainOptions, value
from ..config.value_types import ExistingFile, OneOf
from ..devices import PRECISIONS

__all__ = ['TrainableOptions', 'TrainablePath', 'TrainableTraining', 'check_dataset_names']


class TrainablePath(PathOptions):
    """``path`` of models of this package."""

    families: ClassVar[dict[str, tuple[Any, str]]] = {}

    pretrain_network_g: ExistingFile | None = Field(None, description='weights that network_g starts from')
    param_key_g: str | None = Field(
        None, description='key of the weights in that file; ~ is params_ema, or else params'
    )
    strict_load_g: Literal[True] = Field(True, description='all tensors of the file must fit')
    skip_load_g: list[str] = Field([], description='modules of network_g that training starts without those weights')


class TrainableTraining(TrainOptions):
    """``train`` of models of this package."""

    is_open: ClassVar[bool] = False
    families: ClassVar[dict[str, tuple[Any, str]]] = {}

    precision: Annotated[str, OneOf(tuple(PRECISIONS))] = Field(
        'fp32', description='precision of forward passes; fp16 scales the loss and needs a GPU'
    )
    accumulate_iters: int = Field(1, ge=1, description='iterations whose gradients make one step of the optimizers')
    frozen: list[str] | None = Field(None, description="modules of network_g that are frozen; ~ takes the model's")
    max_skipped_steps: int = Field(
        3,
        ge=0,
        description='steps in a row that are skipped because a loss or gradient is not finite; one more stops the run',
    )


class TrainableOptions(RunOptions):
    """An option file for a model of this package."""

    is_open: ClassVar[bool] = False
    families: ClassVar[dict[str, tuple[Any, str]]] = {}
    # What network_g must have for the model to run it.
    needed_of_network: ClassVar[str] = 'forward'

    path: TrainablePath = Field(description='weights and states to start from')
    train: TrainableTraining | None = Field(None, description='how to train')

    @property
    def precision(self) -> str:
        """Precision of forward passes; a test has it from the section for training, where there is one."""
        return self.train.precision if self.train else TrainableTraining.default('precision')

    @classmethod
    def contradictions(cls, options: dict[str, Any], is_train: bool) -> Iterator[tuple[Keys, str]]:
        yield from super().contradictions(options, is_train)
        name = value(options, 'network_g', 'type')
        if look_up(ARCH_REGISTRY, name or '') is not None and not cls.network_fits(options):
            yield ('network_g', 'type'), f' is {name}, which {options.get("model_type")} cannot run'
        yield from check_dataset_names(options)
        every = value(options, 'train', 'accumulate_iters')
        save_every = value(options, 'logger', 'save_checkpoint_freq')
        if every and save_every and save_every % every:
            yield (
                ('logger', 'save_checkpoint_freq'),
                f' is {save_every}; it must be a multiple of train.accumulate_iters, {every}',
            )

    @classmethod
    def network_fits(cls, options: dict[str, Any]) -> bool:
        """Say whether network_g is one that the model can run."""
        network = look_up(ARCH_REGISTRY, value(options, 'network_g', 'type') or '')
        return network is not None and hasattr(network, cls.needed_of_network)


def check_dataset_names(options: dict[str, Any]) -> Iterator[tuple[Keys, str]]:
    """Yield (keys, message) for validation and test sets of one name."""
    names: dict[str, str] = {}
    for key, section in (options.get('datasets') or {}).items():
        first = names.setdefault(section.get('name', key), key)
        if first != key and 'train' not in (first, key):
            yield ('datasets', key, 'name'), f' is that of datasets.{first}: they would overwrite their results'
