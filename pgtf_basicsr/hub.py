"""Weights on the Hugging Face Hub, by names such as owner/name, once they are nowhere on the disk."""

import re
from os import PathLike
from pathlib import Path
from typing import Any

from basicsr.utils import get_root_logger

from .errors import UserError, in_one_line
from .files import expand_home

__all__ = ['CONFIG', 'WEIGHTS', 'fetch_folder', 'find_weights']

# The files of a model that was published by `save_pretrained`, this package's or huggingface_hub's: weights, and the
# arguments of the network, which some models lack.
WEIGHTS, CONFIG = 'model.safetensors', 'config.json'
SUFFIXES = ('.pth', '.pt', '.safetensors')
# What the Hub calls a model.
HUB_ID = re.compile(r'[\w-][\w.-]*/[\w.-]+(?<!\.pth)(?<!\.pt)(?<!\.safetensors)')
# The same with a file in it.
HUB_FILE = re.compile(rf'({HUB_ID.pattern})/([\w-][\w./-]*(?:\.pth|\.pt|\.safetensors))')


def find_weights(weights: str | Path) -> Path:
    """Find the file that an argument for weights means.

    What is on the disk needs no network connection, what is in the Hub's cache neither. Else a line says what is
    fetched before it is. Nothing is where ``HF_HUB_OFFLINE`` is set.

    Args:
        weights (str | Path): A file; a folder with a model.safetensors; or, where there is none of that name,
            ``owner/name`` on the Hub, which is its model.safetensors, fetched with the config.json beside it, or
            ``owner/name/file``, of which the folder ``owner`` must not exist here. The published PGTFormer is
            ``kepeng/pgtformer-base``.

    Returns:
        Path: The file. A path that cannot be on the Hub is returned as it is, whether or not there is such a file.

    Raises:
        UserError: It is neither on the disk nor in the cache, and cannot be fetched.
    """
    path = expand_home(weights)
    name = str(weights)
    match = HUB_FILE.fullmatch(name)
    hub_id, file = match.groups() if match else (name, WEIGHTS)
    if (path / WEIGHTS).is_file():
        return path / WEIGHTS
    if path.exists() or not HUB_ID.fullmatch(hub_id) or Path(path.parts[0]).exists():
        return path
    hub = _import_hub(name)
    cached = hub.try_to_load_from_cache(hub_id, file)
    if isinstance(cached, str):
        return Path(cached)
    if not hub.constants.HF_HUB_OFFLINE:
        # A warning, which is shown in every command.
        get_root_logger().warning(
            f'Fetching {file} of {hub_id} from the Hugging Face Hub to {hub.constants.HF_HUB_CACHE}.'
        )
    try:
        if file == WEIGHTS:
            # First, so that weights in the cache have beside them what belongs to them.
            _fetch_config(hub_id, hub)
        return Path(hub.hf_hub_download(hub_id, file))
    except Exception as error:  # of the client, of HTTP or of the connection
        raise _missing(name, hub_id, hub, hub.constants.HF_HUB_CACHE, error) from error


def fetch_folder(hub_id: str, files: list[str], **options: Any) -> Path:
    """Fetch files of a model on the Hub, unless they are in its cache.

    Args:
        hub_id (str): ``owner/name``.
        files (list[str]): Their names.
        **options: Of ``huggingface_hub.snapshot_download``.

    Returns:
        Path: The folder that they are in.

    Raises:
        UserError: The name cannot be one on the Hub, or they are not in the cache and cannot be fetched.
    """
    if not HUB_ID.fullmatch(hub_id):
        raise UserError(f'there is no file or folder {hub_id} (looked for {expand_home(hub_id).absolute()})')
    hub = _import_hub(hub_id)
    try:
        return Path(hub.snapshot_download(hub_id, allow_patterns=files, **options))
    except Exception as error:  # of the client, of HTTP or of the connection
        cache = options.get('cache_dir') or hub.constants.HF_HUB_CACHE
        raise _missing(hub_id, hub_id, hub, cache, error) from error


def _fetch_config(hub_id: str, hub: Any) -> None:
    try:
        hub.hf_hub_download(hub_id, CONFIG)
    except hub.utils.LocalEntryNotFoundError:  # of a kind with the next, but there is no connection
        raise
    except hub.utils.EntryNotFoundError:
        pass  # some models have none


def _import_hub(name: str) -> Any:
    try:
        import huggingface_hub
        import huggingface_hub.constants  # only where they are needed
    except ImportError as error:
        raise UserError(
            f'there is no file or folder {name} (looked for {Path(name).absolute()}); to look for it on the Hugging '
            'Face Hub, install the extra hub: pip install "pgtf-basicsr[hub]"'
        ) from error
    return huggingface_hub


def _missing(name: str, hub_id: str, hub: Any, cache: str | PathLike[str], error: Exception) -> UserError:
    reason = in_one_line(error)
    if hub.constants.HF_HUB_OFFLINE:
        reason = 'HF_HUB_OFFLINE is set; unset it, or give the path of a file'
    elif isinstance(error, hub.utils.EntryNotFoundError) and not isinstance(error, hub.utils.LocalEntryNotFoundError):
        reason = f'{hub_id} has no such file, but {_files_of(hub_id, hub)}'
    return UserError(
        f'there is no file or folder {name} (looked for {Path(name).absolute()}), it is not in the cache '
        f'{cache}, and it cannot be fetched from the Hugging Face Hub: {reason}'
    )


def _files_of(hub_id: str, hub: Any) -> str:
    """List what could have been meant, as arguments."""
    try:
        names = hub.list_repo_files(hub_id)
    except Exception:  # the connection may be lost by now; what is reported is that there is no such file
        return 'others'
    return ', '.join(f'{hub_id}/{name}' for name in names if name.endswith(SUFFIXES)) or 'no weights at all'
