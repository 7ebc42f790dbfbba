"""A folder in which the files and folders that option files name exist, empty."""

import yaml

from .mutations import OPTIONS
from .quickstart import ROOT

SHIPPED = sorted((ROOT / 'options').glob('**/*.yml'))


def make(folder):
    """Make below ``folder`` what the shipped option files and those of the tests name."""
    for path in [*SHIPPED, *sorted(OPTIONS.glob('*.yml'))]:
        for key, value in scalars(yaml.safe_load(path.read_text())):
            if not isinstance(value, str):
                continue
            if key.startswith('dataroot'):
                (folder / value).mkdir(parents=True, exist_ok=True)
            elif key.startswith('pretrain_network_') or key in ('weights', 'meta_info_file', 'spynet_path'):
                (folder / value).parent.mkdir(parents=True, exist_ok=True)
                (folder / value).touch()


def scalars(section):
    """Keys and values of a section and those in it."""
    for key, value in section.items():
        if isinstance(value, dict):
            yield from scalars(value)
        else:
            yield key, value


def listing(folder):
    """All that lies below ``folder``, with sizes."""
    return sorted((str(path.relative_to(folder)), path.stat().st_size) for path in folder.rglob('*'))
