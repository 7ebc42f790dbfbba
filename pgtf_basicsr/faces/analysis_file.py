"""The file of an analysis: readable JSON, a line a detection, to be edited by hand.

    {
     "schema": 1,
     "video": {"name": "holiday.mov", "width": 1920, "height": 1080, "frames": 300, "rate": 29.97},
     "detector": "centerface", "detect_every": 1, "max_fill": 9,
     "cuts": [120],
     "columns": ["frame", "x", "y", "size", "angle", "score"],
     "tracks": [
      {"id": 1, "detections": [
       [0, 812.4, 388.1, 402.33, -3.1, 0.93],
       ...

A row is the `FaceSquare` of a frame. A track or a row may be removed: what is left is smoothed again when it is used.
"""

import json
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ..errors import UserError
from ..files import replacing
from .analysis import Analysis, FaceTrack, VideoFacts
from .squares import FaceSquare

__all__ = ['check_video', 'read_analysis', 'write_analysis']

SCHEMA = 1
COLUMNS = ('frame', 'x', 'y', 'size', 'angle', 'score')

_Number = Annotated[int, Ge(0)]
_Positive = Annotated[int, Ge(1)]
# Of a square hundredths of a pixel are kept.
_Row = tuple[_Number, float, float, Annotated[float, Ge(0.01)], float, Annotated[float, Ge(0), Le(1)]]


def write_analysis(path: str | Path, analysis: Analysis) -> None:
    """Write an analysis; the file appears whole or not at all.

    Raises:
        OSError: The file cannot be written.
    """
    video = analysis.video
    settings = {name: getattr(analysis, name) for name in ('detector', 'detect_every', 'max_fill')}
    lines = [
        f' "schema": {SCHEMA},',
        f' "video": {json.dumps({name: getattr(video, name) for name in _Video.model_fields})},',
        f' {json.dumps(settings)[1:-1]},',
        f' "cuts": {json.dumps(analysis.cuts)},',
        f' "columns": {json.dumps(COLUMNS)},',
    ]
    tracks = ',\n'.join(_track_text(track) for track in analysis.tracks)
    lines.append(f' "tracks": [\n{tracks}\n ]' if tracks else ' "tracks": []')
    with replacing(path) as partial:
        partial.write_text('\n'.join(['{', *lines, '}', '']), encoding='utf-8')


def read_analysis(path: str | Path) -> Analysis:
    """Read an analysis, which may have been edited by hand.

    Raises:
        UserError: The file is missing, is not an analysis, or contradicts itself.
    """
    try:
        text = Path(path).read_text(encoding='utf-8')
        contents = json.loads(text, parse_constant=_refuse_constant)
    except OSError as error:
        raise UserError(f'cannot read the analysis {path}: {error.strerror}') from error
    except ValueError as error:
        raise UserError(f'the analysis {path} is not JSON: {error}') from error
    schema = contents.get('schema') if isinstance(contents, dict) else None
    if schema != SCHEMA:
        raise UserError(f'{path} is not an analysis of this version: its "schema" should be {SCHEMA}, not {schema!r}')
    try:
        file = _File.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f'the analysis {path}: {_place(first["loc"])}: {first["msg"]}') from error
    identifiers = Counter(track.id for track in file.tracks)
    faults = [f'there are {count} tracks {id_}' for id_, count in identifiers.items() if count > 1]
    if file.cuts != sorted(set(file.cuts)):
        faults.append('its cuts do not ascend')
    faults += filter(None, (_fault(track, file) for track in file.tracks))
    if faults:
        raise UserError(f'the analysis {path}: {faults[0]}')
    tracks = [FaceTrack(track.id, {row[0]: FaceSquare(*row[1:]) for row in track.detections}) for track in file.tracks]
    video = VideoFacts(**file.video.model_dump())
    return Analysis(video, file.detector, file.detect_every, file.max_fill, file.cuts, tracks)


def check_video(analysis: Analysis, path: str | Path, video: VideoFacts) -> None:
    """Check that an analysis, read from ``path``, is of a video; its name may have changed.

    Raises:
        UserError: Its file or its frames have another size, another part of it was read, it has another number of
            frames, if they were counted, or other contents, if the analysis states a digest of them.
    """
    of = replace(analysis.video, frames=analysis.video.frames if video.frames else 0)
    if None in (of.digest, video.digest) or of.digest == video.digest:
        # What does not differ is not to be reported. Analyses of earlier versions have none.
        of, video = replace(of, digest=None), replace(video, digest=None)
    if replace(of, name=video.name, rate=video.rate) != video:
        raise UserError(
            f'the analysis {path} is of {_summary(of)}, not of {_summary(video)}; remove the file to analyse the '
            'video anew'
        )


def _summary(video: VideoFacts) -> str:
    parts = [f'{video.name}: {video.width}x{video.height}']
    parts += [f'{video.frames} frames'] if video.frames else []
    parts += [f'{video.bytes} bytes'] if video.bytes else []
    parts += [f'{name} {value} s' for name, value in (('from', video.start), ('to', video.end)) if value]
    parts += [f'contents {video.digest[:8]}'] if video.digest else []
    return ', '.join(parts)


class _Part(BaseModel):
    model_config = ConfigDict(extra='forbid', strict=True, allow_inf_nan=False)


class _Video(_Part):
    name: str
    width: _Positive
    height: _Positive
    frames: _Number
    rate: Annotated[float, Gt(0)]
    bytes: _Number | None = None
    start: str | None = None
    end: str | None = None
    digest: str | None = None


class _Track(_Part):
    id: _Positive
    detections: list[_Row]


class _File(_Part):
    version: Literal[1] = Field(alias='schema')
    video: _Video
    detector: str
    detect_every: _Positive
    max_fill: _Number
    cuts: list[_Number]
    columns: tuple[Literal['frame'], Literal['x'], Literal['y'], Literal['size'], Literal['angle'], Literal['score']]
    tracks: list[_Track]


def _fault(track: _Track, file: _File) -> str | None:
    """What is wrong with a track, or None."""
    name, numbers = f'track {track.id}', [row[0] for row in track.detections]
    if not numbers:
        return f'{name} has no detections; remove the track'
    if any(later <= earlier for earlier, later in pairwise(numbers)):
        return f'{name}: the frames of its detections do not ascend'
    if numbers[-1] >= file.video.frames:
        return f'{name} has a detection in frame {numbers[-1]}; the last frame of the video is {file.video.frames - 1}'
    cut = next((cut for cut in file.cuts if numbers[0] < cut <= numbers[-1]), None)
    if cut is not None:
        return f'{name} goes across the cut at frame {cut}; end it before, or remove the cut'
    return None


def _track_text(track: FaceTrack) -> str:
    rows = ',\n'.join(
        f'   {json.dumps([number, square.x, square.y, square.size, square.angle, square.score])}'
        for number, square in sorted(track.detections.items())
    )
    return f'  {{"id": {track.id}, "detections": [\n{rows}\n  ]}}'


def _place(location: tuple[int | str, ...]) -> str:
    """Where a fault is: tracks[2].detections[7].size."""
    parts: list[str] = []
    for index, part in enumerate(location):
        if isinstance(part, str):
            parts.append(f'.{part}')
        elif index > 1 and location[index - 2] == 'detections':
            parts.append(f'.{COLUMNS[part]}' if part < len(COLUMNS) else f'[{part}]')
        else:
            parts.append(f'[{part}]')
    return ''.join(parts).lstrip('.') or 'the file'


def _refuse_constant(name: str) -> Any:
    raise ValueError(f'{name} is not a number')
