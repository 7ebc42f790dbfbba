"""A contact sheet of the faces of a video, to choose from."""

from collections.abc import Iterable

import cv2
import numpy as np

from .analysis import Analysis, FaceTrack
from .sampling import sample_crop

__all__ = ['clock_time', 'face_sheet', 'face_tiles', 'shown_frames', 'time_span']

TILE, LABEL_HEIGHT, GAP, COLUMNS = 160, 40, 8, 6  # pixels, but for the columns
BACKGROUND, INK, FAINT = (255, 255, 255), (30, 30, 30), (110, 110, 110)


def shown_frames(analysis: Analysis) -> dict[int, list[FaceTrack]]:
    """Frames that a sheet takes its faces from, where each is large and sure: {number: tracks}, in order."""
    shown: dict[int, list[FaceTrack]] = {}
    for track in analysis.tracks:
        best = max(track.detections, key=lambda number: track.detections[number].size * track.detections[number].score)
        shown.setdefault(best, []).append(track)
    return dict(sorted(shown.items()))


def face_sheet(analysis: Analysis, frames: Iterable[tuple[int, np.ndarray]]) -> np.ndarray:
    """Draw one tile per track, with its number, its time span and its width.

    Args:
        analysis (Analysis): The faces of a video, one at least.
        frames (Iterable[tuple[int, ndarray]]): The `shown_frames` in any order: number and (H, W, 3) uint8 RGB. Others
            are passed over.

    Returns:
        ndarray: (H, W, 3) uint8 RGB.
    """
    faces = face_tiles(analysis, frames)
    ordered = [_labelled(faces[track.id], analysis, track) for track in analysis.tracks if track.id in faces]
    columns = min(COLUMNS, len(ordered))
    blank = np.full_like(ordered[0], BACKGROUND)
    ordered += [blank] * (-len(ordered) % columns)
    rows = [np.hstack(ordered[start : start + columns]) for start in range(0, len(ordered), columns)]
    return cv2.copyMakeBorder(np.vstack(rows), GAP, 0, GAP, 0, cv2.BORDER_CONSTANT, value=BACKGROUND)


def face_tiles(analysis: Analysis, frames: Iterable[tuple[int, np.ndarray]]) -> dict[int, np.ndarray]:
    """Cut the face of each track out of the frame where it is large and sure.

    Args:
        analysis, frames: As of `face_sheet`.

    Returns:
        dict[int, ndarray]: Squares (TILE, TILE, 3) uint8 RGB by the track's number, in the order of the tracks.
    """
    shown = shown_frames(analysis)
    tiles = {
        track.id: sample_crop(frame, analysis.path_at(track, number).matrix(number, TILE), TILE)
        for number, frame in frames
        for track in shown.get(number, ())
    }
    return {track.id: tiles[track.id] for track in analysis.tracks if track.id in tiles}


def time_span(analysis: Analysis, track: FaceTrack) -> str:
    """When a face is in view: 0:03.2 - 0:07.9."""
    first, last = analysis.span(track)
    return f'{clock_time(first / analysis.video.rate)} - {clock_time((last + 1) / analysis.video.rate)}'


def _labelled(face: np.ndarray, analysis: Analysis, track: FaceTrack) -> np.ndarray:
    tile = np.full((TILE + LABEL_HEIGHT, TILE + GAP, 3), BACKGROUND, np.uint8)
    tile[:TILE, :TILE] = face
    size = f'{track.width:.0f} px'
    for text, place, scale, ink in (
        (str(track.id), (0, TILE + 18), 0.6, INK),
        (size, (TILE // 2 + 20, TILE + 18), 0.4, FAINT),
        (time_span(analysis, track), (0, TILE + 34), 0.4, FAINT),
    ):
        cv2.putText(tile, text, place, cv2.FONT_HERSHEY_SIMPLEX, scale, ink, 1, cv2.LINE_AA)
    return tile


def clock_time(seconds: float) -> str:
    """Hours, minutes, seconds and tenths: 1:02:03.4."""
    tenths = int(seconds * 10)
    hours, minutes = divmod(tenths // 600, 60)
    clock = f'{minutes}:{tenths // 10 % 60:02d}.{tenths % 10}'
    return f'{hours}:{clock.zfill(7)}' if hours else clock
