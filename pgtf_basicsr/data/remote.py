"""Files behind URLs, through mmengine's file backends: http, https, s3 and whatever else is registered there."""

from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

from ..errors import DataError, UserError

__all__ = ['backend_for', 'fetch', 'is_url', 'read_text', 'url_below']

HTTP_TIMEOUT = 60  # seconds


def is_url(path: object) -> bool:
    """Say whether a path is one for mmengine's backends, such as http://... or s3://..."""
    return '://' in str(path)


def url_below(root: object, name: str) -> str:
    """Make the URL of ``name``, of any characters, below the URL ``root``."""
    return f'{str(root).rstrip("/")}/{quote(name, safe="/+")}'


def backend_for(root: object, option: str, kind: str | None = None, arguments: dict[str, Any] | None = None) -> Any:
    """Make one of mmengine's file backends.

    Args:
        root (str): URL whose beginning chooses the backend where ``kind`` does not.
        option (str): The option that names it, for messages.
        kind (str, optional): Name of the backend in mmengine.
        arguments (dict, optional): Its arguments.

    Raises:
        UserError: mmengine has none, or what it needs is not installed.
    """
    if kind == 'http' or (kind is None and str(root).startswith(('http://', 'https://'))):
        return _HTTPBackend()
    # Slow to import, and most data lies on this machine.
    from mmengine.fileio import get_file_backend

    try:
        return get_file_backend(str(root), backend_args={'backend': kind, **(arguments or {})} if kind else None)
    except (AssertionError, ImportError, KeyError, TypeError, ValueError) as error:
        raise UserError(f'{option}: mmengine has no file backend for {root}: {error}') from error


def fetch(backend: Any, path: str, option: str) -> bytes:
    """Read the bytes of a file.

    Raises:
        DataError: It cannot be read.
    """
    try:
        return backend.get(path)
    except HTTPException as error:
        raise DataError(f'{option}: {path} broke off: {error!r}') from error
    except Exception as error:  # each backend has errors of its own
        raise DataError(f'{option}: cannot read {path}: {error}') from error


def read_text(path: str | Path, option: str) -> str:
    """Read a text file, local or behind a URL.

    Raises:
        DataError: It cannot be read; the message begins with ``option``.
    """
    try:
        if is_url(path):
            return fetch(backend_for(path, option), str(path), option).decode()
        return Path(path).read_text()
    except OSError as error:
        raise DataError(f'{option}: cannot read {path}: {error.strerror}') from error
    except UnicodeDecodeError as error:
        raise DataError(f'{option}: {path} is not a text file') from error


class _HTTPBackend:
    """In place of mmengine's, which waits for ever for a server that does not answer."""

    def get(self, filepath: str) -> bytes:
        with urlopen(filepath, timeout=HTTP_TIMEOUT) as response:
            return response.read()
