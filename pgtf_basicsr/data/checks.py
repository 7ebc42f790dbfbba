"""A check that datasets, storage and degradation share."""

from ..errors import UserError

__all__ = ['require']


def require(condition: object, where: str, complaint: str) -> None:
    """Raise a UserError that begins with ``where`` unless the condition holds."""
    if not condition:
        raise UserError(f'{where}: {complaint}')
