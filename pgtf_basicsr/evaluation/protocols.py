"""Protocols of results: which test they are of, see `data.benchmarks`."""

from collections.abc import Sequence

from ..errors import UserError
from .results import DatasetResult

__all__ = ['have_one_protocol', 'protocol_text', 'require_one_protocol']

NONE = 'none'


def have_one_protocol(results: Sequence[DatasetResult]) -> bool:
    """Whether all results are of one protocol, or none of any."""
    return len({result.protocol for result in results}) <= 1


def protocol_text(results: Sequence[DatasetResult]) -> str:
    """Say which protocol results are of, and where there are several, that they do not compare; '' for none."""
    if have_one_protocol(results):
        return f'protocol {results[0].protocol}' if results[0].protocol else ''
    stated = ', '.join(f'{result.run}: {result.protocol or NONE}' for result in results)
    return f'different protocols, whose numbers do not compare ({stated})'


def require_one_protocol(results: Sequence[DatasetResult]) -> None:
    """Refuse results of different protocols.

    Raises:
        UserError: They are; it names the first two.
    """
    first = results[0]
    for other in results:
        if other.protocol != first.protocol:
            raise UserError(
                f'{first.dataset}: numbers of different protocols do not compare: {first.run} has '
                f'{first.protocol or NONE}, {other.run} has {other.protocol or NONE}; test both on one benchmark, or '
                'pass --mixed-protocols to have tables that say so'
            )
