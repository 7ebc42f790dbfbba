"""First pass over a video: which faces are in which of its frames."""

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch

from ...errors import UserError
from ...faces.analysis import Analysis, VideoFacts, build_finder
from ...faces.analysis_file import check_video, read_analysis, write_analysis
from ...faces.detection import choose_detector
from ...files import make_folder, path_beside
from ...video.color import to_uint8
from ...video.frame import Frame
from ...video.image_folder import frame_files
from ...video.shots import ShotDetector
from ..buffering import BUFFERED, read_ahead
from ..io.segments import naming
from ..io.sources import PIPE, Source, open_source
from ..reports import ANALYSIS, Progress, VideoReport
from ..settings import Settings

__all__ = [
    'ANALYSIS_SUFFIX',
    'analyse_frames',
    'analyse_video',
    'analysis_path',
    'facts_of',
    'file_beside',
    'square_images',
    'square_width',
]

# Of the file beside an output.
ANALYSIS_SUFFIX = '.faces.json'
# Seconds for which a face may be missing and still be the same, and of gaps that are filled.
MAX_GAP, MAX_FILL = 1.0, 0.3
# Bytes at either end of a file that tell it from others of its size.
END_BYTES = 2**20


def analyse_video(path: str | Path, name: str, settings: Settings, kept: Path | None, report: VideoReport) -> Analysis:
    """Find the faces of a video, unless they are known.

    Args:
        path (Path): The video, to be read.
        name (str): What it is called.
        settings (Settings): The detector, and which part of the video is read.
        kept (Path, optional): File that the analysis is read from, if it is of this video, and else written to.
        report (VideoReport): Takes what is to be reported.

    Raises:
        UserError: A file is missing, unreadable or does not fit.
    """
    started = time.monotonic()

    def advance(frames: int, faces: int) -> None:
        report.advance(Progress(ANALYSIS, frames, time.monotonic() - started, faces))

    with open_source(path, settings, report.warn) as source:
        facts = facts_of(source, name, settings)
        known = None if kept is None else _known_analysis(kept, facts, settings, report.warn)
        if known is not None:
            return known
        report.begin(ANALYSIS, source.num_frames)
        analysis = analyse_frames(source, facts, settings, advance)
    if kept is not None:
        make_folder(kept.parent)
        with naming(kept):
            write_analysis(kept, analysis)
    return analysis


def analyse_frames(
    frames: Iterable[Frame], facts: VideoFacts, settings: Settings, advance: Callable[[int, int], object]
) -> Analysis:
    """Find the faces of a video, a few frames of which are in memory at a time.

    Args:
        frames (Iterable[Frame]): Its frames.
        facts (VideoFacts): What is known of it, see `facts_of`.
        settings (Settings): The detector.
        advance (Callable): Called after each frame with the number of frames so far and of faces in view.

    Raises:
        UserError: The detector's weights are missing.
    """
    choice = choose_detector(settings.detector, settings.detector_weights)
    threads = torch.get_num_threads()
    shots, finder = ShotDetector(), build_finder(choice, settings.detect_every)
    torch.set_num_threads(threads)  # RetinaFace has set it to 1, for processes beside others
    count = 0
    with closing(read_ahead(square_images(frames, facts), BUFFERED)) as images:
        for count, image in enumerate(images, 1):
            shots.add(image)
            advance(count, finder.add(image))
    shots.finish()
    return Analysis(
        replace(facts, frames=count),
        choice.name,
        settings.detect_every,
        round(MAX_FILL * facts.rate),
        shots.cuts,
        finder.tracks(shots.cuts, round(MAX_GAP * facts.rate)),
    )


def facts_of(source: Source, name: str, settings: Settings) -> VideoFacts:
    """Collect what is known of a video before its frames are counted.

    Args:
        source (Source): The video.
        name (str): What it is called.
        settings (Settings): Which part of it is read.
    """
    start, end = (None if time is None else str(time) for time in (settings.start, settings.end))
    is_file = source.path.is_file()
    counted = 0 if is_file else source.num_frames or 0
    size = source.path.stat().st_size if is_file else None
    digest = _digest_of(source.path)
    return VideoFacts(name, square_width(source), source.height, counted, float(source.rate), size, start, end, digest)


def square_width(source: Source) -> int:
    """Width of a video's frames in square pixels."""
    return max(round(source.width * source.pixel_aspect), 1)


def square_images(frames: Iterable[Frame], facts: VideoFacts) -> Iterator[np.ndarray]:
    """Convert frames to images (H, W, 3) uint8 RGB of square pixels, in which an analysis counts."""
    for frame in frames:
        image = to_uint8(frame.image)
        if image.shape[1] != facts.width:
            image = cv2.resize(image, (facts.width, facts.height), interpolation=cv2.INTER_LINEAR)
        yield image


def file_beside(target: str | Path, suffix: str) -> Path:
    """Name a file beside an output: out.mov.faces.json beside out.mov."""
    return path_beside(target, behind=suffix)


def analysis_path(target: str | Path, settings: Settings) -> Path | None:
    """Name the file of an analysis: that of the settings, or one beside the output; None for standard output."""
    if settings.analysis is not None:
        return Path(settings.analysis)
    return None if str(target) == PIPE else file_beside(target, ANALYSIS_SUFFIX)


def _digest_of(path: Path) -> str | None:
    """Tell a video from others of its size without reading all of it: a file, or a folder of images; None for a pipe.

    An analysis may be used for a copy of its video, and for one that was touched: nothing here depends on times.
    """
    if path.is_file():
        return hashlib.sha256(_ends_of(path)).hexdigest()
    if not path.is_dir():
        return None
    files = frame_files(path)
    digest = hashlib.sha256(json.dumps([(file.name, file.stat().st_size) for file in files]).encode())
    # Images that are not compressed have the same size, whatever they show.
    digest.update(_ends_of(files[0]) + _ends_of(files[-1]))
    return digest.hexdigest()


def _ends_of(path: Path) -> bytes:
    """Read the first and the last bytes of a file."""
    with open(path, 'rb') as file:
        head = file.read(END_BYTES)
        file.seek(max(path.stat().st_size - END_BYTES, len(head)))
        return head + file.read()


def _known_analysis(
    path: Path, facts: VideoFacts, settings: Settings, warn: Callable[[str], object]
) -> Analysis | None:
    """Read the analysis of a video, unless it has to be made.

    Args:
        path (Path): Where it is kept. One that was made with other settings or of another video is used or refused if
            the settings name its file, and else made anew.
        facts (VideoFacts): The video.
        settings (Settings): The detector.
        warn (Callable): Takes a line that says what is done.

    Raises:
        UserError: It cannot be read, or the settings name one of another video.
    """
    if not path.is_file():
        return None
    analysis = read_analysis(path)
    try:
        check_video(analysis, path, facts)
        if settings.analysis is None:
            _check_detector(analysis, path, settings)
    except UserError as error:
        if settings.analysis is not None:
            raise
        warn(f'{error}: it is made anew')
        return None
    warn(f'the faces of {facts.name} are those of {path}: {len(analysis.tracks)} were found before')
    return analysis


def _check_detector(analysis: Analysis, path: Path, settings: Settings) -> None:
    choice = choose_detector(settings.detector, settings.detector_weights)
    if (analysis.detector, analysis.detect_every) != (choice.name, settings.detect_every):
        raise UserError(
            f'the analysis {path} was made by {analysis.detector} in every {analysis.detect_every}. frame, not by '
            f'{choice.name} in every {settings.detect_every}.'
        )
