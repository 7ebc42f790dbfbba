"""All patches of BasicSR, in one table of two parts, and how they are applied.

``AT_IMPORT`` lets BasicSR import and run on current torch, on CPU as well, and changes no number of what ran before.
``OWN_RUNS`` changes behaviour: it applies to runs of this package's command, for as long as they last, and to programs
that call :func:`mend`.  This package's models do not need it: their base, ``ResumableModel``, does by itself what
concerns them.

Besides, ``basicsr train`` and ``basicsr test`` hand what they have built to BasicSR's pipeline by :func:`replaced`, for
the time of the run: `training.command` and `testing.command` show which functions.
"""

import pkgutil
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import ModuleType
from typing import Any

from basicsr.version import __version__ as basicsr_version

from . import compatibility, epochs, learning_rates, moving_average, optimizers, options
from .removed_modules import REMOVED_MODULES

__all__ = ['AT_IMPORT', 'OWN_RUNS', 'SCHEDULE', 'Mend', 'apply_at_import', 'mend', 'mending', 'replaced']

LAST_FAULTY_VERSION = (1, 4, 2)


@dataclass(frozen=True)
class Mend:
    """A function, method or class of BasicSR with a fault, and what takes its place.

    Attributes:
        name (str): Its dotted name.
        fault (str): What is wrong with it, in a line.
        replacement (Callable): Takes what BasicSR has there and returns what takes its place.
        probe (Callable | None): Takes what BasicSR has there and returns whether it has the fault.  Default: versions
            up to ``LAST_FAULTY_VERSION`` have it.
    """

    name: str
    fault: str
    replacement: Callable[[Any], Any]
    probe: Callable[[Any], bool] | None = None

    def has_fault(self) -> bool:
        """Whether the installed BasicSR has the fault."""
        if self.probe is not None:
            return self.probe(pkgutil.resolve_name(self.name))
        return tuple(map(int, re.findall(r'\d+', basicsr_version)[:3])) <= LAST_FAULTY_VERSION

    def apply(self) -> Any:
        """Replace it, and return what was there."""
        original = pkgutil.resolve_name(self.name)
        self.put(self.replacement(original))
        return original

    def put(self, value: Any) -> None:
        """Put something in its place."""
        owner, _, attribute = self.name.rpartition('.')
        setattr(pkgutil.resolve_name(owner), attribute, value)


AT_IMPORT: tuple[Any, ...] = (
    *REMOVED_MODULES,
    Mend(
        'basicsr.utils.dist_util.init_dist',
        'without a GPU it divides by zero, and knows NCCL alone',
        compatibility.init_dist_without_gpu,
    ),
    # BasicSR's options hold a reference of their own.
    Mend('basicsr.utils.options.init_dist', 'the same', compatibility.init_dist_without_gpu),
    Mend(
        'basicsr.models.base_model.BaseModel.model_to_device',
        'on CPU it gives DistributedDataParallel the ids of CUDA devices',
        compatibility.model_to_cpu,
    ),
    Mend(
        'basicsr.models.video_base_model.VideoBaseModel.dist_validation',
        "tables of scores are made on 'cuda', and only of the first dataset's folders",
        compatibility.metric_results_on_device,
    ),
    Mend(
        'basicsr.models.video_recurrent_model.VideoRecurrentModel.dist_validation',
        'the same; on CPU the frames lose a dimension before the model sees them',
        compatibility.recurrent_validation_on_device,
    ),
    Mend(
        'basicsr.train.load_resume_state',
        'without a GPU it asks for the current one',
        compatibility.load_resume_state_on_cpu,
    ),
    Mend(
        'basicsr.data.prefetch_dataloader.PrefetchDataLoader.__iter__',
        'with prefetch_mode: cpu the loop waits for ever when the dataset raises an error',
        compatibility.prefetch_with_errors,
    ),
    Mend(
        'basicsr.data.data_sampler.EnlargedSampler.set_epoch',
        "datasets, of which this package's draw by the epoch, never learn it",
        compatibility.announce_epoch,
    ),
)

SCHEDULE = Mend(
    'basicsr.models.lr_scheduler.CosineAnnealingRestartLR.get_lr',
    'after its last period it raises a TypeError',
    learning_rates.held_after_last_period,
)

OWN_RUNS: tuple[Mend, ...] = (
    Mend(
        'basicsr.models.base_model.BaseModel.get_optimizer',
        'Adam is the only optimizer; on GitHub it is one of seven',
        optimizers.any_optimizer,
        optimizers.knows_few_optimizers,
    ),
    Mend(
        'basicsr.models.base_model.BaseModel.model_ema',
        'buffers of the averaged network, such as statistics of BatchNorm, stay as they were initialised',
        moving_average.ema_with_buffers,
    ),
    Mend(
        'basicsr.models.base_model.BaseModel.update_learning_rate',
        'after a warm-up, MultiStepLR continues from the rate of its last iteration, not from the one of the options',
        learning_rates.learning_rate_after_warmup,
    ),
    SCHEDULE,
    Mend(
        'basicsr.train.create_train_val_dataloader',
        'workers repeat their random draws in every epoch; a loop of many epochs ends early',
        epochs.with_exact_epochs,
    ),
    Mend(
        'basicsr.train.parse_options',
        'option files may construct objects, 1e-4 in them is text, --force_yml is evaluated as Python',
        options.parsed_safely,
    ),
    Mend('basicsr.test.parse_options', 'the same', options.parsed_safely),
)

# {mend: what was there before}
_applied: dict[Mend, Any] = {}


def apply_at_import() -> None:
    """Apply what changes no number; once, by the import of the package."""
    for item in AT_IMPORT:
        if isinstance(item, Mend) and item.has_fault():
            item.apply()


def mend() -> None:
    """Apply all that this package mends in BasicSR for its own runs, for the rest of this process.

    Call it before ``from basicsr.train import ...`` takes what it replaces by name.
    """
    _apply(OWN_RUNS)


@contextmanager
def mending(mends: Iterable[Mend] = OWN_RUNS) -> Iterator[None]:
    """Context in which mends are applied, all for own runs unless told otherwise; those that were before stay."""
    fresh = _apply(mends)
    try:
        yield
    finally:
        for item in reversed(fresh):
            item.put(_applied.pop(item))


@contextmanager
def replaced(module: ModuleType, **functions: Any) -> Iterator[None]:
    """Context in which functions of a module are other ones."""
    originals = {name: getattr(module, name) for name in functions}
    for name, function in functions.items():
        setattr(module, name, function)
    try:
        yield
    finally:
        for name, function in originals.items():
            setattr(module, name, function)


def _apply(mends: Iterable[Mend]) -> list[Mend]:
    """Apply mends that are needed and not applied yet; returns those."""
    fresh = [item for item in mends if item not in _applied and item.has_fault()]
    for item in fresh:
        _applied[item] = item.apply()
    return fresh
