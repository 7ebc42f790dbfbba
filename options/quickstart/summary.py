"""Sums up the quickstart: a table of what its tests measured, and a picture that compares frames."""

import json
import sys
from pathlib import Path

import cv2
import numpy as np

RESULTS = Path('results')
PICTURE = RESULTS / 'quickstart_comparison.png'
ENLARGEMENT = 4


def main():
    """Print the table and write the picture; run after the tests of the quickstart, where they ran."""
    autoencoder, stage3, fidelity0 = (
        means(f'quickstart_test_{name}', 'aligned') for name in ('autoencoder', 'stage3', 'stage3_fidelity0')
    )
    unaligned3, unaligned4 = (means(f'quickstart_test_{name}', 'unaligned') for name in ('stage3', 'stage4'))
    write_picture()

    write('Held-out clips, aligned          PSNR     SSIM     MSRL')
    write_row('degraded', stage3, 'degraded')
    write_row('autoencoder of stage I alone', autoencoder)
    write_row('stage III, fidelity 0', fidelity0)
    write_row('stage III', stage3)
    write('Held-out clips, unaligned')
    write_row('degraded', unaligned3, 'degraded')
    write_row('stage III', unaligned3)
    write_row('stage IV', unaligned4)
    gain = {metric: stage3[metric]['restored'] - stage3[metric]['degraded'] for metric in ('psnr', 'ssim')}
    write(f'Stage III against degraded: {gain["psnr"]:+.2f} dB PSNR, {gain["ssim"]:+.3f} SSIM')
    write(f'Restored video:  {RESULTS / "quickstart_restored.mp4"}')
    write(f'Comparison (degraded | restored | ground truth): {PICTURE}')
    write(f'Curves over time and more pictures: {RESULTS / "quickstart_test_stage3" / "metrics.html"}')


def means(test, dataset):
    """{metric: {'restored', 'degraded'}} of a test's data set."""
    return json.loads((RESULTS / test / f'metrics_{dataset}.json').read_text())['mean']


def write_picture():
    """Put the strips of the aligned clips, made by the test of stage III, side by side and enlarge them."""
    folder = RESULTS / 'quickstart_test_stage3' / 'pictures' / 'aligned'
    strips = [cv2.imread(str(path)) for path in sorted(folder.glob('*_frames.png'))]
    gap = np.full((strips[0].shape[0], 4, 3), 255, np.uint8)
    row = np.concatenate([part for strip in strips for part in (strip, gap)][:-1], axis=1)
    cv2.imwrite(str(PICTURE), cv2.resize(row, None, fx=ENLARGEMENT, fy=ENLARGEMENT, interpolation=cv2.INTER_CUBIC))


def write_row(name, values, column='restored'):
    write(f'  {name:<28} ' + ' '.join(f'{values[metric][column]:8.3f}' for metric in ('psnr', 'ssim', 'msrl')))


def write(line):
    sys.stdout.write(line + '\n')


if __name__ == '__main__':
    main()
