"""The files that a test or an evaluation leaves in its folder.

metrics_<data set>.json     all numbers, see `results`
metrics.md                  table of the means, in the order of the paper's columns
clips.csv                   a row for each clip
frames.csv                  a row for each frame
metrics.html                all of it to look at, with curves over time and pictures
pictures/<data set>/<clip>_frames.png, _slices.png
"""

from pathlib import Path

import cv2
from basicsr.utils import imwrite

from ..errors import UserError
from ..files import replacing
from .page import write_page
from .results import write_results
from .tables import markdown_table, write_clip_table, write_frame_table

__all__ = ['log_results', 'write_pictures', 'write_report']


def write_report(results, folder):
    """Write all but the pictures.

    Args:
        results (list[DataSetResult]): Of the data sets of a run.
        folder (str | Path): Where to; it must exist, and hold the pictures that the results name.

    Raises:
        UserError: They cannot be written.
    """
    folder = Path(folder)
    try:
        for result in results:
            write_results(result, folder / f'metrics_{result.data_set}.json')
        with replacing(folder / 'metrics.md') as partial:
            partial.write_text(markdown_table(results), encoding='utf-8')
        write_clip_table(results, folder / 'clips.csv')
        write_frame_table(results, folder / 'frames.csv')
        write_page(folder / 'metrics.html', results[0].run, [(result, folder) for result in results])
    except OSError as error:
        raise UserError(f'cannot write results to {folder}: {error.strerror}') from error


def write_pictures(pictures, folder, data_set, clip):
    """Write the pictures of a clip.

    Args:
        pictures (ClipPictures): They.
        folder (str | Path): The run's folder.
        data_set, clip (str): Names.

    Returns:
        dict: {'frames': path, 'slices': path}, relative to ``folder``.

    Raises:
        UserError: They cannot be written.
    """
    paths = {kind: f'pictures/{data_set}/{clip}_{kind}.png' for kind in ('frames', 'slices')}
    for kind, picture in (('frames', pictures.frames()), ('slices', pictures.slices())):
        path = Path(folder, paths[kind])
        try:
            imwrite(picture[..., ::-1], str(path))
        except OSError as error:
            raise UserError(f'cannot write {path}: {error.strerror or "is the disk full?"}') from error
    return paths


def log_results(tb_logger, result, folder):
    """Write a DataSetResult for TensorBoard: means, curves of the restored clips over their frames, and pictures.

    Args:
        tb_logger (SummaryWriter): Where to.
        result (DataSetResult): It.
        folder (str | Path): The run's folder, which holds the pictures.
    """
    for metric in result.metrics:
        tb_logger.add_scalar(f'metrics/{result.data_set}/{metric}', result.mean(metric))
    for clip in result.clips:
        for metric, curve in clip.curves.items():
            for frame, value in enumerate(curve['restored']):
                tb_logger.add_scalar(f'{result.data_set}/{clip.name}/{metric}', value, frame)
        for kind, path in clip.pictures.items():
            picture = cv2.imread(str(Path(folder, path)))
            if picture is not None:
                tb_logger.add_image(f'{result.data_set}/{clip.name}/{kind}', picture[..., ::-1], dataformats='HWC')
    tb_logger.flush()
