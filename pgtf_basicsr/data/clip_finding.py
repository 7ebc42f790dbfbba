"""The clips that a dataset of VFHQ's layout takes: long enough, and there."""

from basicsr.utils import get_root_logger

from ..errors import require
from .clips import Clip, find_missing, read_meta_info
from .remote import is_url
from .storage import Storage
from .vfhq_options import VFHQOptions

__all__ = ['find_clips']


def find_clips(
    options: VFHQOptions, storages: list[Storage], shortest: int, skips_broken: bool, where: str
) -> list[Clip]:
    """List the clips that a dataset can take, in the order of the list or of their names.

    Args:
        options (VFHQOptions): Its options.
        storages (list[Storage]): The storages in which every clip must be; the first says which clips there are.
        shortest (int): Frames that a clip must have; shorter ones are skipped, and named in a warning.
        skips_broken (bool): Skip missing clips in the same way.
        where (str): What messages begin with.

    Raises:
        UserError: No clip is long enough, or one is missing.
    """
    source = storages[0]
    listed = read_meta_info(options.meta_info_file) if options.meta_info_file else source.list_clips()
    clips = [clip for clip in listed if clip.num_frames >= shortest]
    require(
        bool(clips),
        f'{where}: no clip of {shortest} or more frames in {source.root}; '
        'it should hold one folder of frames per clip, <clip>/00000000.png',
    )
    short = [clip.name for clip in listed if clip.num_frames < shortest]
    if short:
        get_root_logger().warning(f'{where}: skipped for having fewer than {shortest} frames: {", ".join(short)}')
    gone: set[str] = set()
    names = [clip.name for clip in clips]
    for option, missing in _missing_by_option(options, storages, names).items():
        if missing:
            complaint = (
                f'{option}: {len(missing)} of {len(names)} clips are missing, the first is {missing[0]} '
                f'(looked in {getattr(options, option)})'
            )
            require(skips_broken and len(missing) < len(names), f'{where}: {complaint}')
            get_root_logger().warning(f'{where}: {complaint}; skipped')
            gone.update(missing)
    return [clip for clip in clips if clip.name not in gone]


def _missing_by_option(options, storages, names):
    """Map each option that names a folder of clips to the clips that are not there."""
    missing = {storage.option: storage.find_missing(names) for storage in storages}
    root = options.dataroot_landmarks
    if root and not is_url(root):
        files = find_missing(root, [f'{name}.txt' for name in names], 'dataroot_landmarks')
        missing['dataroot_landmarks'] = [file.removesuffix('.txt') for file in files]
    return missing
