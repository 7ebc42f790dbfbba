"""The faces of a video as a table and a contact sheet, to choose from."""

from pathlib import Path
from typing import NamedTuple

from ...errors import require
from ...faces.analysis import Analysis
from ...faces.sheet import clock_time, face_sheet
from ...files import replacing
from ...images import write_image
from ..io.kept_input import kept_video
from ..io.segments import naming
from ..reports import Outcome, Report, VideoReport
from ..settings import Settings
from .analysis import analyse_video, analysis_path, file_beside
from .choice import read_shown_frames

__all__ = ['ListedFace', 'face_table', 'list_faces']


class ListedFace(NamedTuple):
    """A face of a video.

    Attributes:
        number (int): Its number, by which it is chosen.
        first (float): Seconds from the first frame to where it comes into view.
        last (float): Seconds to where it goes.
        frames (int): Frames in which it is in view.
        width (float): Its median width in pixels.
    """

    number: int
    first: float
    last: float
    frames: int
    width: float


def list_faces(source: str | Path, target: str | Path, settings: Settings, report: Report) -> list[ListedFace]:
    """Find the faces of a video, and write their analysis and a contact sheet, out.mov.faces.png, beside an output.

    Args:
        source (str | Path): The video.
        target (str | Path): The output of its restoration, which is not written.
        settings (Settings): The detector, and which part of the video is read.
        report (Report): Takes what is to be reported.

    Raises:
        UserError: A file is missing, unreadable or cannot be written.
    """
    kept = analysis_path(target, settings)
    require(kept is not None, 'the faces of a video are written to files beside the output: name one')
    told = VideoReport(report, Outcome(str(source), str(kept)))
    with told, kept_video(source, told.warn) as path:
        analysis = analyse_video(path, str(source), settings, kept, told)
        if analysis.tracks:
            sheet = file_beside(target, '.faces.png')
            image = face_sheet(analysis, read_shown_frames(path, analysis, settings))
            with naming(sheet), replacing(sheet) as partial:
                write_image(partial, image)
        return _listed(analysis)


def face_table(faces: list[ListedFace]) -> str:
    """Lay faces out as a table."""
    lines = [f'{"face":>4}  {"from":>10}  {"to":>10}  {"frames":>6}  {"pixels":>6}']
    for face in faces:
        first, last = clock_time(face.first), clock_time(face.last)
        lines.append(f'{face.number:4}  {first:>10}  {last:>10}  {face.frames:6}  {face.width:6.0f}')
    return '\n'.join(lines)


def _listed(analysis: Analysis) -> list[ListedFace]:
    rate = analysis.video.rate
    spans = {track.id: analysis.span(track) for track in analysis.tracks}
    return [
        ListedFace(
            track.id,
            spans[track.id][0] / rate,
            (spans[track.id][1] + 1) / rate,
            sum(map(len, analysis.paths[track.id])),
            track.width,
        )
        for track in analysis.tracks
    ]
