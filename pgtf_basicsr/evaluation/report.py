"""Write the files that a test or an evaluation leaves in its folder.

metrics_<dataset>.json      all numbers, see `results`
metrics.md                  table of the means, in the order of the paper's columns
clips.csv                   a row for each clip
frames.csv                  a row for each frame
metrics.html                all of it as a page, with curves over time and images
pictures/<dataset>/<clip>_frames.png, _slices.png
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
from basicsr.utils import imwrite

from ..errors import UserError
from ..files import replacing
from .clip_images import ClipImages
from .csv_tables import write_clip_table, write_frame_table
from .page import write_page
from .results import DatasetResult, write_results
from .tables import markdown_table

__all__ = ['begin_report', 'log_results', 'write_images', 'write_report']


def begin_report(folder: str | Path) -> None:
    """Mark a folder as one of results, which the next of its name may move aside, also if none is ever written.

    Raises:
        UserError: It cannot be written to.
    """
    try:
        Path(folder, 'metrics.md').write_text('The scores are not finished.\n')
    except OSError as error:
        raise UserError(f'cannot write results to {folder}: {error.strerror}') from error


def write_report(results: Sequence[DatasetResult], folder: str | Path) -> None:
    """Write all files but the images.

    Args:
        results (list[DatasetResult]): Results of the datasets of a run.
        folder (str | Path): The run's folder; it must exist, and hold the images that the results name.

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


def write_images(images: ClipImages, folder: str | Path, dataset: str, clip: str) -> dict[str, str]:
    """Write the images of a clip.

    Args:
        images (ClipImages): The images, after the last frame.
        folder (str | Path): The run's folder.
        dataset, clip (str): Names.

    Returns:
        dict: {'frames': path, 'slices': path}, relative to ``folder``.

    Raises:
        UserError: They cannot be written.
    """
    paths = {kind: f'pictures/{dataset}/{clip}_{kind}.png' for kind in ('frames', 'slices')}
    for kind, image in (('frames', images.frames()), ('slices', images.slices())):
        path = Path(folder, paths[kind])
        try:
            imwrite(image[..., ::-1], str(path))
        except OSError as error:
            raise UserError(f'cannot write {path}: {error.strerror or "is the disk full?"}') from error
    return paths


def log_results(tb_logger: Any, result: DatasetResult, folder: str | Path) -> None:
    """Write results for TensorBoard: means, curves of the restored clips over their frames, and images.

    Args:
        tb_logger (SummaryWriter): The logger.
        result (DatasetResult): The results.
        folder (str | Path): The run's folder, which holds the images.
    """
    for metric in result.metrics:
        tb_logger.add_scalar(f'metrics/{result.dataset}/{metric}', result.mean(metric))
    for clip in result.clips:
        for metric, curve in clip.curves.items():
            for frame, value in enumerate(curve['restored']):
                tb_logger.add_scalar(f'{result.dataset}/{clip.name}/{metric}', value, frame)
        for kind, path in clip.pictures.items():
            image = cv2.imread(str(Path(folder, path)))
            if image is not None:
                tb_logger.add_image(f'{result.dataset}/{clip.name}/{kind}', image[..., ::-1], dataformats='HWC')
    tb_logger.flush()
