"""Write the files that a test or an evaluation leaves in its folder.

metrics_<dataset>.json      all numbers, see `results`
metrics.md                  table of the means, in the order of the paper's columns
clips.csv                   a row for each clip
frames.csv                  a row for each frame
metrics.html                all of it as a page, with curves over time and pictures
pictures/<dataset>/<clip>_frames.png, _slices.png
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
from basicsr.utils import imwrite

from ..errors import UserError
from ..files import replacing
from .csv_tables import write_clip_table, write_frame_table
from .page import write_page
from .pictures import ClipPictures
from .results import DatasetResult, write_results
from .tables import markdown_table

__all__ = ['log_results', 'write_pictures', 'write_report']


def write_report(results: Sequence[DatasetResult], folder: str | Path) -> None:
    """Write all files but the pictures.

    Args:
        results (list[DatasetResult]): Results of the datasets of a run.
        folder (str | Path): The run's folder; it must exist, and hold the pictures that the results name.

    Raises:
        UserError: They cannot be written.
    """
    folder = Path(folder)
    try:
        for result in results:
            write_results(result, folder / f'metrics_{result.dataset}.json')
        with replacing(folder / 'metrics.md') as partial:
            partial.write_text(markdown_table(results), encoding='utf-8')
        write_clip_table(results, folder / 'clips.csv')
        write_frame_table(results, folder / 'frames.csv')
        write_page(folder / 'metrics.html', results[0].run, [(result, folder) for result in results])
    except OSError as error:
        raise UserError(f'cannot write results to {folder}: {error.strerror}') from error


def write_pictures(pictures: ClipPictures, folder: str | Path, dataset: str, clip: str) -> dict[str, str]:
    """Write the pictures of a clip.

    Args:
        pictures (ClipPictures): The pictures, after the last frame.
        folder (str | Path): The run's folder.
        dataset, clip (str): Names.

    Returns:
        dict: {'frames': path, 'slices': path}, relative to ``folder``.

    Raises:
        UserError: They cannot be written.
    """
    paths = {kind: f'pictures/{dataset}/{clip}_{kind}.png' for kind in ('frames', 'slices')}
    for kind, picture in (('frames', pictures.frames()), ('slices', pictures.slices())):
        path = Path(folder, paths[kind])
        try:
            imwrite(picture[..., ::-1], str(path))
        except OSError as error:
            raise UserError(f'cannot write {path}: {error.strerror or "is the disk full?"}') from error
    return paths


def log_results(tb_logger: Any, result: DatasetResult, folder: str | Path) -> None:
    """Write results for TensorBoard: means, curves of the restored clips over their frames, and pictures.

    Args:
        tb_logger (SummaryWriter): The logger.
        result (DatasetResult): The results.
        folder (str | Path): The run's folder, which holds the pictures.
    """
    for metric in result.metrics:
        tb_logger.add_scalar(f'metrics/{result.dataset}/{metric}', result.mean(metric))
    for clip in result.clips:
        for metric, curve in clip.curves.items():
            for frame, value in enumerate(curve['restored']):
                tb_logger.add_scalar(f'{result.dataset}/{clip.name}/{metric}', value, frame)
        for kind, path in clip.pictures.items():
            picture = cv2.imread(str(Path(folder, path)))
            if picture is not None:
                tb_logger.add_image(f'{result.dataset}/{clip.name}/{kind}', picture[..., ::-1], dataformats='HWC')
    tb_logger.flush()
