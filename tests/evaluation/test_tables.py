"""Tables, read back by other means than those that wrote them."""

import csv
import math

import numpy as np
import pytest

from pgtf_basicsr.evaluation.csv_tables import write_clip_table, write_frame_table
from pgtf_basicsr.evaluation.markdown import escaped, number_text
from pgtf_basicsr.evaluation.results import ClipResult, DatasetResult, MetricInfo
from pgtf_basicsr.evaluation.tables import column_titles, markdown_table

METRICS = {
    'psnr': MetricInfo('PSNR', 'dB', 'higher', 'RGB', True, {'type': 'calculate_psnr'}),
    'lmd': MetricInfo('LMD', 'px', 'lower', 'CenterFace', False, {'type': 'calculate_lmd'}),
    'fvd': MetricInfo('FVD', '', 'lower', 'I3D', True, {'type': 'calculate_fvd'}),
}


def result(run, psnr, lmd, degraded=(20.0, 21.0), dataset='faces', fvd=100.0):
    """Of clips 'Clip+0', 'Clip+1', ... with these scores and three frames each."""
    clips = [
        ClipResult(
            f'Clip+{number}',
            3,
            {'psnr': {'restored': psnr[number], 'degraded': degraded[number]}, 'lmd': {'restored': lmd[number]}},
            {'psnr': {'restored': [psnr[number] + 0.1 * frame for frame in range(3)]}},
        )
        for number in range(len(psnr))
    ]
    return DatasetResult(run, dataset, METRICS, clips, {'fvd': {'restored': fvd}})


def rows_of(markdown):
    """{first cell: {heading: cell}} of the first table, and its footnotes."""
    lines = markdown.splitlines()
    heading, _, *rows = [
        [cell.strip() for cell in line.strip('|').split(' |')] for line in lines if line.startswith('|')
    ]
    return (
        {row[0]: dict(zip(heading[1:], row[1:], strict=True)) for row in rows},
        [line[2:] for line in lines if line.startswith('- ')],
    )


def test_rows_columns_and_digits():
    rows, notes = rows_of(markdown_table([result('A', (30.0, 31.0), (1.0, 2.0))]))
    assert rows == {
        'degraded input': {'PSNR ↑ (dB)': '20.50', 'LMD† ↓ (px)': '–', 'FVD ↓': '–'},
        'A': {'PSNR ↑ (dB)': '30.50', 'LMD† ↓ (px)': '1.500', 'FVD ↓': '100.00'},
    }
    assert notes == ['PSNR: RGB', 'LMD†: CenterFace', 'FVD: I3D', "LMD†: not comparable with the paper's numbers"]


def test_columns_are_below_each_other_in_a_terminal():
    table = [
        line
        for line in markdown_table([result('A', (30.0,), (1.0,)), result('Another', (9.0,), (11.0,))]).splitlines()
        if line.startswith('|')
    ]
    bars = [[place for place, character in enumerate(line) if character == '|'] for line in table]
    assert all(places == bars[0] for places in bars)
    points = {line.replace('*', ' ').index('.') for line in table[2:]}
    assert len(points) == 1


def test_the_best_run_is_bold_and_equals_share_it():
    rows, _ = rows_of(
        markdown_table(
            [
                result('A', (30.001,), (1.0,), fvd=90.0),
                result('B', (30.002,), (2.0,)),
                result('C', (29.0,), (math.nan,)),
            ]
        )
    )
    assert [row['PSNR ↑ (dB)'] for row in rows.values()] == ['20.00', '**30.00**', '**30.00**', '29.00']
    assert [row['LMD† ↓ (px)'] for row in rows.values()] == ['–', '**1.000**', '2.000', '–']
    assert [row['FVD ↓'] for row in rows.values()] == ['–', '**90.00**', '100.00', '100.00']


def test_degraded_input_is_shown_once_unless_runs_had_another():
    same = [result('A', (30.0,), (1.0,), (20.0,)), result('B', (31.0,), (1.0,), (20.0001,))]
    assert list(rows_of(markdown_table(same))[0]) == ['degraded input', 'A', 'B']
    other = [same[0], result('B', (31.0,), (1.0,), (25.0,))]
    assert list(rows_of(markdown_table(other))[0]) == ['degraded input of A', 'degraded input of B', 'A', 'B']


def test_means_of_fewer_clips_are_reported():
    complete = result('A', (30.0, 31.0), (1.0, 2.0))
    partly = result('B', (30.0, 31.0), (1.0, math.nan))
    assert rows_of(markdown_table([partly]))[1][-1] == 'LMD†: mean of 1 of 2 clips; the others have no score'
    assert rows_of(markdown_table([complete, partly]))[1][-1] == (
        'LMD†: mean of 2 of 2 clips (A), 1 of 2 clips (B); the others have no score'
    )


def test_datasets_have_their_own_tables_with_their_sizes():
    text = markdown_table([result('A', (30.0, 31.0), (1.0, 2.0)), result('A', (30.0,), (1.0,), dataset='more')])
    assert [line for line in text.splitlines() if line.startswith('## ')] == ['## faces', '## more']
    assert '\n2 clips, 6 frames\n' in text and '\n1 clip, 3 frames\n' in text
    assert text.endswith('\n') and not text.endswith('\n\n')


def test_names_cannot_break_a_table():
    name = 'a|b*c\nd'
    text = markdown_table([result(name, (30.0,), (1.0,))])
    line = next(line for line in text.splitlines() if '30.00' in line)
    assert escaped(name) == 'a\\|b\\*c d'
    assert line.startswith('| a\\|b\\*c d ')
    assert escaped(b'a\xffb'.decode('utf-8', 'surrogateescape')) == 'a?b'


def test_equal_titles_are_told_apart():
    metrics = {'psnr': METRICS['psnr'], 'psnr_y': METRICS['psnr'], 'lmd': METRICS['lmd']}
    assert column_titles(metrics) == {'psnr': 'PSNR psnr', 'psnr_y': 'PSNR psnr_y', 'lmd': 'LMD†'}


@pytest.mark.parametrize(
    'number, digits, sign, text',
    [
        (1.2345, 2, '-', '1.23'),
        (1.2345, 2, '+', '+1.23'),
        (math.nan, 2, '+', '–'),
        (math.inf, 2, '-', '∞'),
        (math.inf, 2, '+', '+∞'),
        (-math.inf, 2, '-', '-∞'),
        (0, 2, '-', '0.00'),
        (-2e-6, 4, '+', '-2e-06'),
    ],
)
def test_numbers(number, digits, sign, text):
    assert number_text(number, digits, sign) == text


def test_clip_table_read_back(tmp_path):
    random = np.random.default_rng(0)
    results = [
        result(run, random.normal(30, 1, 3), [0.1, math.nan, math.inf], random.normal(20, 1, 3))
        for run in ('A', 'B, "b"')
    ]
    write_clip_table(results, tmp_path / 'clips.csv')
    with open(tmp_path / 'clips.csv', newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ['run', 'data_set', 'clip', 'of', 'frames', 'psnr', 'lmd']
    expected = [(of.run, clip, side) for of in results for clip in of.clips for side in ('restored', 'degraded')]
    assert len(rows) == len(expected) == 12
    for row, (run, clip, side) in zip(rows, expected):
        assert (row['run'], row['data_set'], row['clip'], row['of']) == (run, 'faces', clip.name, side)
        assert int(row['frames']) == 3
        assert float(row['psnr']) == clip.scores['psnr'][side]
    assert [row['lmd'] for row in rows[:6]] == ['0.1', '', '', '', 'inf', '']


def test_frame_table_read_back(tmp_path):
    of = result('A', (30.0, 31.0), (1.0, 2.0))
    of.clips[1].curves['psnr']['degraded'] = [1.5, math.nan, math.inf]
    write_frame_table([of], tmp_path / 'frames.csv')
    with open(tmp_path / 'frames.csv', newline='', encoding='utf-8') as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ['run', 'data_set', 'clip', 'frame', 'of', 'psnr']
    assert [(row['clip'], row['of'], int(row['frame'])) for row in rows] == [
        (clip, side, frame) for clip in ('Clip+0', 'Clip+1') for side in ('restored', 'degraded') for frame in range(3)
    ]
    assert [float(row['psnr']) for row in rows[6:9]] == of.clips[1].curves['psnr']['restored']
    assert [row['psnr'] for row in rows[9:]] == ['1.5', '', 'inf']
    assert all(row['psnr'] == '' for row in rows[3:6])


def test_file_names_that_are_not_unicode_keep_their_bytes(tmp_path):
    of = result('A', (30.0,), (1.0,))
    of.clips[0].name = b'clip\xff'.decode('utf-8', 'surrogateescape')
    write_clip_table([of], tmp_path / 'clips.csv')
    assert b',clip\xff,' in (tmp_path / 'clips.csv').read_bytes()
