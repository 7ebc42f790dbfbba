"""Training and validation splits: by identity, so that no face is in both."""

import hashlib
import re
from collections.abc import Iterable, Mapping

__all__ = ['SPLITS', 'TRAIN', 'VAL', 'identity_of', 'split_clips', 'split_identities']

TRAIN, VAL = SPLITS = ('train', 'val')

_VFHQ_NAME = re.compile(r'Clip\+(?P<video>.+?)\+P\d+\+C\d+')
_SEGMENT = re.compile(r'\+from\d+$')


def identity_of(clip_name: str) -> str:
    """Derive the identity of the face that a clip shows from the clip's name.

    Of VFHQ's names ``Clip+<video>+P<person>+C<clip>+F<a>-<b>`` it is the video: its persons share the scene, and one
    person may have several numbers. Any other clip is an identity of its own, together with its segments.
    """
    found = _VFHQ_NAME.match(clip_name)
    return found['video'] if found else _SEGMENT.sub('', clip_name)


def split_identities(identities: Iterable[str], val_share: float, seed: int) -> dict[str, str]:
    """Assign identities to splits.

    The split of an identity follows from its name and the seed, whatever others there are. Only if all would be in one
    split, the identity nearest to the boundary changes sides. A single identity is trained on.

    Args:
        identities (Iterable[str]): Their names.
        val_share (float): About this share of the identities is held out, but at least one; 0 holds out none.
        seed (int): Other seeds hold out others.

    Returns:
        dict[str, str]: 'train' or 'val' by identity.
    """
    ranks = sorted((_rank(identity, seed), identity) for identity in set(identities))
    splits = {identity: VAL if rank < val_share else TRAIN for rank, identity in ranks}
    if val_share and ranks:
        splits[ranks[0][1]] = VAL
        splits[ranks[-1][1]] = TRAIN
    return splits


def split_clips(identities: Mapping[str, str], val_share: float, seed: int) -> dict[str, str]:
    """Assign clips to splits by their identities. Of a single identity the last of several clips is held out.

    Args:
        identities (dict[str, str]): Identity of each clip by the clip's name.
        val_share (float): As in `split_identities`.
        seed (int): As in `split_identities`.

    Returns:
        dict[str, str]: 'train' or 'val' by the clip's name.
    """
    splits = split_identities(identities.values(), val_share, seed)
    placed = {clip: splits[identity] for clip, identity in identities.items()}
    if val_share and len(splits) == 1 and len(placed) > 1:
        placed[max(placed)] = VAL
    return placed


def _rank(identity: str, seed: int) -> float:
    """A number in [0, 1) that looks random."""
    digest = hashlib.sha256(f'{seed}/{identity}'.encode()).digest()
    return int.from_bytes(digest[:8], 'big') / 2**64
