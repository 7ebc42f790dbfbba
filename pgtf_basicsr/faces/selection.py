"""Selection of faces of a video by the user: all, the largest, or by number."""

from ..errors import UserError
from .analysis import Analysis, FaceTrack

__all__ = ['select_faces']


def select_faces(analysis: Analysis, selection: str) -> list[FaceTrack]:
    """Choose tracks of an analysis.

    Args:
        analysis (Analysis): The faces of a video.
        selection (str): ``all``; ``largest``, those that are the largest in view in most of their frames; or numbers of
            faces, as in ``1,3``.

    Raises:
        UserError: There is no such face, or the selection cannot be read.
    """
    if selection == 'all':
        return analysis.tracks
    if selection == 'largest':
        return _largest(analysis)
    known = {str(track.id): track for track in analysis.tracks}
    names = [name.strip() for name in selection.split(',')]
    if not all(name.isdecimal() for name in names):
        raise UserError(f'--faces {selection}: should be all, largest, or numbers of faces such as 1,3')
    missing = [name for name in names if name not in known]
    if missing:
        faces = f'its faces are {", ".join(known)}' if known else 'it has none'
        raise UserError(f'--faces {selection}: {analysis.video.name} has no face {missing[0]}; {faces}')
    return [track for track in analysis.tracks if str(track.id) in names]


def _largest(analysis: Analysis) -> list[FaceTrack]:
    largest: dict[int, tuple[float, int]] = {}  # {frame: (size, number of the face)}
    for track in analysis.tracks:
        for number, square in track.detections.items():
            largest[number] = max(largest.get(number, (0, 0)), (square.size, track.id))
    return [
        track
        for track in analysis.tracks
        if 2 * sum(largest[number][1] == track.id for number in track.detections) > len(track.detections)
    ]
