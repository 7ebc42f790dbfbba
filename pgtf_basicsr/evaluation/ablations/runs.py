"""Finished runs: what a test measured, of which variant of the network, and how that was trained."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from basicsr.utils.registry import ARCH_REGISTRY

from ... import config
from ...config.registered_sections import look_up, network_argument
from ...errors import UserError, require
from ..results import DatasetResult, read_results

__all__ = ['AblationRun', 'find_runs']

# What a variant of the network is called: (argument, the value that makes it, the name).
VARIANTS: tuple[tuple[str, Any, str], ...] = (
    ('swin3d', False, 'image VQGAN'),
    ('predictor_position', 'learned', 'learned position code'),
    ('predictor_attention', 'spatial', 'spatial attention'),
    ('tfr_levels', [], 'no TFR'),
    ('tfr_temporal', False, 'spatial TFR'),
)
FULL = {'TSVQGAN': 'TS-VQGAN', 'PGTFormer': 'PGTFormer'}
# Options of validation that numbers do not depend on.
NOT_OF_NUMBERS = ('val_freq', 'save_img', 'suffix', 'batch_size', 'metrics')
# Options of training that go with what is trained, and so with the variant.
OF_VARIANT = ('optim_d', 'net_d_start_iter', 'frozen', 'commitment_weight')

Facts = dict[str, str]


@dataclass(frozen=True)
class AblationRun:
    """A dataset that a test scored.

    Attributes:
        result (DatasetResult): Its scores.
        folder (Path): Where the test wrote them.
        weights (Path): What was tested; its folder is that of an experiment.
        stage (int): The experiment's stage, from 1 to 4.
        seed (int): That it was trained with.
        name (str): Of the network's variant, such as 'no TFR'.
        parameters (int): Of the network.
        variant (Facts): What belongs to the variant: the network's switches, and losses. Text by option.
        setting (Facts): All else that the scores depend on but the seed.
    """

    result: DatasetResult
    folder: Path
    weights: Path
    stage: int
    seed: int
    name: str
    parameters: int
    variant: Facts
    setting: Facts


def find_runs(folders: Iterable[str | Path]) -> tuple[list[AblationRun], list[str]]:
    """Read what tests measured.

    Args:
        folders (Iterable[str | Path]): Each holds the results of a test, or the folders of several tests.

    Returns:
        tuple: AblationRuns, and a line for each test that is not one of an experiment of this package.

    Raises:
        UserError: A folder has no results, or a file cannot be read.
    """
    runs, skipped = [], []
    # A test may be named twice, by itself and by the folder that holds it.
    tests = {test.resolve(): test for folder in folders for test in _tests(Path(folder))}
    for test in tests.values():
        try:
            runs += _runs_of(test)
        except _UntraceableError as reason:
            skipped.append(f'{test}: {reason}')
    return runs, skipped


class _UntraceableError(Exception):
    """Why a test cannot be in a table of ablations."""


def _tests(folder: Path) -> list[Path]:
    """Folders of results: this one, or those in it."""
    require(folder.is_dir(), f'there is no folder {folder}: name the results of tests, such as results/')
    tests = [path for path in (folder, *sorted(folder.iterdir())) if _results(path)]
    require(bool(tests), f'no results in {folder}: basicsr test writes metrics_<dataset>.json into results/<name>')
    return tests


def _results(folder: Path) -> list[Path]:
    return sorted(folder.glob('metrics_*.json'))


def _runs_of(folder: Path) -> list[AblationRun]:
    options = _options(folder, 'it')
    network = options.get('network_g') or {}
    weights = (options.get('path') or {}).get('pretrain_network_g')
    if network.get('type') not in FULL or not weights:
        raise _UntraceableError('it is not a test of a network of this package and its weights')
    # Of a relative path the project is where results/<name> is.
    experiment = (folder.absolute().parents[1] / weights).parents[1]
    training = _options(experiment, str(experiment))
    train = training.get('train')
    if not train:
        raise _UntraceableError(f'{experiment} has no options of a training')
    results = [read_results(path) for path in _results(folder)]
    sections = {section['name']: section for section in options['datasets'].values()}
    variant, network = _split(network, [argument for argument, _, _ in VARIANTS])
    _, validation = _split(options['val'], NOT_OF_NUMBERS)
    losses, train = _split(train, [name for name in train if name.endswith('_opt') or name in OF_VARIANT])
    return [
        AblationRun(
            result,
            folder,
            Path(weights),
            train.get('stage', 1),
            training['manual_seed'],
            _name(options['network_g']),
            _count_parameters(options['network_g']),
            _facts({'network_g': variant, 'train': losses}),
            _facts(
                {
                    'network_g': network,
                    'train': train,
                    'datasets.train': training['datasets']['train'],
                    'val': validation,
                    'dataset': sections.get(result.dataset),
                    'protocol': result.protocol or 'none',
                    'clips': len(result.clips),
                    'frames': sum(clip.num_frames for clip in result.clips),
                    'weights': Path(weights).name,
                }
            ),
        )
        for result in results
    ]


def _options(folder: Path, name: str) -> dict[str, Any]:
    """The options of the newest run in a folder, which messages call ``name``, as `training.starting` writes them."""
    files = sorted(folder.glob('options_*.yml'))
    if not files:
        raise _UntraceableError(f'{name} has no options_<time>.yml')
    return config.load(files[-1])


def _name(network: dict[str, Any]) -> str:
    names = [name for argument, value, name in VARIANTS if _value(network, argument) == value]
    # Without regulators it does not matter of which kind they are.
    if 'no TFR' in names:
        names = [name for name in names if name != 'spatial TFR']
    return ', '.join(names) or FULL[network['type']]


def _value(network: dict[str, Any], argument: str) -> Any:
    value = network_argument(network, argument)
    return list(value) if isinstance(value, tuple) else value


def _count_parameters(network: dict[str, Any]) -> int:
    architecture = look_up(ARCH_REGISTRY, network['type'])
    with torch.device('meta'):
        try:
            net = architecture(**{key: value for key, value in network.items() if key != 'type'})
        except (TypeError, ValueError) as error:
            raise UserError(f'network_g: {network["type"]} cannot be built from these options: {error}') from error
    return sum(parameter.numel() for parameter in net.parameters())


def _split(section: Mapping[str, Any], names: Iterable[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Those options of a section that are named, and the others."""
    return (
        {key: value for key, value in section.items() if key in names},
        {key: value for key, value in section.items() if key not in names},
    )


def _facts(value: Any, name: str = '') -> Facts:
    """Options in sections as text by 'section.option'."""
    if not isinstance(value, Mapping):
        return {name: str(value)}
    facts: Facts = {}
    for key, item in value.items():
        facts |= _facts(item, f'{name}.{key}' if name else str(key))
    return facts
