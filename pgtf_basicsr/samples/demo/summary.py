"""Summary of the quickstart: a table of what its tests measured, and an image that compares frames."""

import json
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from ...errors import UserError

__all__ = ['write_comparison', 'write_summary', 'write_table']

ROWS = ('degraded', 'restored', 'ground truth')
ENLARGEMENT = 3
LABEL_WIDTH = 114
GAP = 8


def write_summary(folder: Path) -> None:
    """Print the table and write the image.

    Args:
        folder (Path): Where the tests of the quickstart ran; their results are below it.
    """
    results = folder / 'results'
    aligned = {
        name: scores_of(results / f'quickstart_test_{name}', 'aligned')
        for name in ('autoencoder', 'stage3', 'stage3_fidelity0')
    }
    unaligned = {name: scores_of(results / f'quickstart_test_{name}', 'unaligned') for name in ('stage3', 'stage4')}
    comparison = results / 'quickstart_comparison.png'
    write_comparison(results / 'quickstart_test_stage3', aligned['stage3']['pictures'], comparison)
    write_table(
        {name: scores['mean'] for name, scores in aligned.items()},
        {name: scores['mean'] for name, scores in unaligned.items()},
    )
    write(f'Weights of stage IV: {folder / "experiments/quickstart_stage4/models/net_g_latest.pth"}')
    write(f'Restored video:  {results / "quickstart_restored.mp4"}')
    write(f'Restored video of two faces: {results / "quickstart_two_faces.mp4"}')
    write(f'Before and after: {results / "quickstart_two_faces.mp4.preview.png"}')
    write(f'Comparison ({", ".join(ROWS)}): {comparison}')
    write(f'Curves over time and more images: {results / "quickstart_test_stage3" / "metrics.html"}')


def write_table(aligned: dict[str, Any], unaligned: dict[str, Any]) -> None:
    """Print the scores of the held-out clips.

    Args:
        aligned (dict): Mean scores of each test on the aligned clips, {test: {metric: {'restored', 'degraded'}}}.
        unaligned (dict): The same on the unaligned clips.
    """
    stage3 = aligned['stage3']
    write('Held-out clips, aligned          PSNR     SSIM     MSRL')
    write_row('degraded', stage3, 'degraded')
    write_row('autoencoder of stage I alone', aligned['autoencoder'])
    write_row('stage III, fidelity 0', aligned['stage3_fidelity0'])
    write_row('stage III', stage3)
    write('Held-out clips, unaligned')
    write_row('degraded', unaligned['stage3'], 'degraded')
    write_row('stage III', unaligned['stage3'])
    write_row('stage IV', unaligned['stage4'])
    gain = {metric: stage3[metric]['restored'] - stage3[metric]['degraded'] for metric in ('psnr', 'ssim')}
    write(f'Stage III against degraded: {gain["psnr"]:+.2f} dB PSNR, {gain["ssim"]:+.3f} SSIM')


def write_comparison(test: Path, images: dict[str, Any], path: Path) -> None:
    """Write an enlarged image of a clip of each portrait: rows degraded, restored, ground truth; columns frames.

    Args:
        test (Path): Folder of a test's results.
        images (dict): Images of each clip below that folder, {clip: {'frames': path, ...}}.
        path (Path): Where to write it.
    """
    first, *_, last = sorted(images)  # clips are named by portrait
    clips = [rows_of(read(test / images[clip]['frames'])) for clip in (first, last)]
    gap = np.full((len(clips[0]), GAP, 3), 255, np.uint8)
    labels = np.concatenate([label(text, len(clips[0]) // len(ROWS)) for text in ROWS])
    cv2.imwrite(str(path), np.concatenate([labels, clips[0], gap, clips[1]], axis=1), [cv2.IMWRITE_PNG_COMPRESSION, 9])


def read(path: Path) -> np.ndarray:
    """Read an image (H, W, 3), BGR."""
    image = cv2.imread(str(path))
    if image is None:
        raise UserError(f'{path} is missing or not an image: run the tests of the quickstart again')
    return image


def rows_of(frames: np.ndarray) -> np.ndarray:
    """Enlarged image of a clip's frames, which are below each other, with time from left to right instead."""
    height, width = (side // len(ROWS) for side in frames.shape[:2])
    tiles = frames.reshape(-1, height, len(ROWS), width, 3)
    turned = tiles.transpose(2, 1, 0, 3, 4).reshape(len(ROWS) * height, -1, 3)
    return cv2.resize(turned, None, fx=ENLARGEMENT, fy=ENLARGEMENT, interpolation=cv2.INTER_NEAREST)


def label(text: str, height: int) -> np.ndarray:
    """White image with a line of text, as high as a row."""
    image = np.full((height, LABEL_WIDTH, 3), 255, np.uint8)
    origin = (6, height // 2 + 5)
    return cv2.putText(image, text, origin, cv2.FONT_HERSHEY_SIMPLEX, 0.45, (0, 0, 0), 1, cv2.LINE_AA)


def scores_of(test: Path, dataset: str) -> dict[str, Any]:
    """Scores of a test, by the folder of its results, on one of its datasets, as they were saved."""
    return json.loads((test / f'metrics_{dataset}.json').read_text())


def write_row(name: str, values: dict[str, Any], column: str = 'restored') -> None:
    """Print a row of the table."""
    write(f'  {name:<28} ' + ' '.join(f'{values[metric][column]:8.3f}' for metric in ('psnr', 'ssim', 'msrl')))


def write(line: str) -> None:
    """Print a line."""
    sys.stdout.write(line + '\n')
