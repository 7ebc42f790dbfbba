"""Training and validation: by identity, so that no face is in both."""

import hashlib
import re

__all__ = ['SPLITS', 'assign', 'identity_of', 'placed']

TRAIN, VAL = SPLITS = ('train', 'val')

_VFHQ_NAME = re.compile(r'Clip\+(?P<video>.+?)\+P\d+\+C\d+')
_PIECE = re.compile(r'\+from\d+$')


def identity_of(clip_name):
    """Whose face a clip shows, going by its name.

    Of VFHQ's names ``Clip+<video>+P<person>+C<clip>+F<a>-<b>`` it is the video: its persons share the scene, and one
    person may have several numbers.  Any other clip is an identity of its own; pieces of it are not.
    """
    found = _VFHQ_NAME.match(clip_name)
    return found['video'] if found else _PIECE.sub('', clip_name)


def assign(identities, val_share, seed):
    """Split of each identity, {identity: 'train' or 'val'}.

    An identity's place follows from its name and the seed, whatever others there are; only where all would come into
    one split, the identity nearest to the boundary changes sides.  A single identity is trained on.

    Args:
        identities: Their names.
        val_share (float): About this share of the identities is held out, but at least one; 0 holds out none.
        seed (int): Other seeds hold out others.
    """
    ranks = sorted((_rank(identity, seed), identity) for identity in set(identities))
    splits = {identity: VAL if rank < val_share else TRAIN for rank, identity in ranks}
    if val_share and ranks:
        splits[ranks[0][1]] = VAL
        splits[ranks[-1][1]] = TRAIN
    return splits


def placed(clips, val_share, seed):
    """Split of each clip, {clip: 'train' or 'val'}, given {clip: identity}.

    Of a single identity the last clip is held out, if it has more than one.
    """
    splits = assign(clips.values(), val_share, seed)
    places = {clip: splits[identity] for clip, identity in clips.items()}
    if val_share and len(splits) == 1 and len(clips) > 1:
        places[max(clips)] = VAL
    return places


def _rank(identity, seed):
    """A number in [0, 1) that looks random."""
    digest = hashlib.sha256(f'{seed}/{identity}'.encode()).digest()
    return int.from_bytes(digest[:8], 'big') / 2**64
