"""Comparisons against closed forms, NumPy's own bootstrap and cases made by hand."""

import argparse
import csv
import json
import math

import numpy as np
import pytest

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.evaluation.comparison import command as compare_command
from pgtf_basicsr.evaluation.comparison.differences import bootstrap_interval, paired_difference
from pgtf_basicsr.evaluation.comparison.runs import compare, find_results
from pgtf_basicsr.evaluation.results import ClipResult, DatasetResult, MetricInfo, write_results

PSNR = MetricInfo('PSNR', 'dB', 'higher', 'RGB', True, {'type': 'calculate_psnr', 'crop_border': 0})
LPIPS = MetricInfo('LPIPS', '', 'lower', 'VGG-16', True, {'type': 'calculate_lpips', 'weights': 'here'})
FVD = MetricInfo('FVD', '', 'lower', 'I3D', True, {'type': 'calculate_fvd'})
METRICS = {'psnr': PSNR, 'lpips': LPIPS}


def result(scores, run='A', dataset='faces', metrics=METRICS, num_frames=10, first=0, **whole):
    """Of clips with these scores, {metric: numbers}, whose names count from ``first``."""
    lines = zip(*scores.values(), strict=True)
    clips = [
        ClipResult(
            f'clip{number:03d}', num_frames, {metric: {'restored': float(score)} for metric, score in zip(scores, line)}
        )
        for number, line in enumerate(lines, first)
    ]
    whole = {metric: {'restored': score} for metric, score in whole.items()}
    return DatasetResult(run, dataset, metrics, clips, whole)


def psnr(*scores, **arguments):
    return result({'psnr': scores}, metrics={'psnr': PSNR}, **arguments)


def runs(*results):
    """Runs called A, B, ... of a dataset each."""
    return {name: [(of_run, name)] for name, of_run in zip('ABCD', results)}


def written(folder, *results):
    for of_dataset in results:
        (folder / of_dataset.run).mkdir(exist_ok=True, parents=True)
        write_results(of_dataset, folder / of_dataset.run / f'metrics_{of_dataset.dataset}.json')
    return str(folder / results[0].run)


def command(*arguments):
    parser = argparse.ArgumentParser()
    compare_command.add_arguments(parser)
    compare_command.run(parser.parse_args([str(argument) for argument in arguments]))


def test_interval_of_many_normal_clips_is_the_closed_form():
    values = np.random.default_rng(1).normal(0.3, 2, 1500)
    half = 1.96 * values.std(ddof=1) / math.sqrt(len(values))
    low, high = bootstrap_interval(values)
    assert low == pytest.approx(values.mean() - half, abs=0.05 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.05 * half)


def test_interval_of_few_skewed_clips_is_that_of_plain_numpy():
    values = np.random.default_rng(2).exponential(1, 40)
    draws = np.random.default_rng(3).integers(0, 40, (100_000, 40))
    expected = np.quantile(values[draws].mean(axis=1), [0.025, 0.975])
    assert bootstrap_interval(values) == pytest.approx(tuple(expected), abs=0.02)


def test_interval_is_the_same_every_time():
    values = list(np.random.default_rng(4).normal(size=20))
    assert bootstrap_interval(values) == bootstrap_interval(values)


@pytest.mark.parametrize('values', [[], [1.0], [1.0, math.inf], [1.0, math.nan]])
def test_no_interval_of_a_single_clip_or_infinite_differences(values):
    assert bootstrap_interval(values) is None


@pytest.mark.filterwarnings('error')
def test_a_constant_difference_of_clips_far_apart_has_no_width():
    baseline = np.arange(30) * 8.0
    difference = paired_difference(psnr(*baseline), psnr(*baseline + 0.25), 'psnr')
    assert baseline.std() > 50
    assert difference.mean == 0.25 and difference.interval == (0.25, 0.25)
    assert (difference.better, difference.worse, difference.equal) == (30, 0, 0)
    assert difference.verdict == 'better'


def test_lower_may_be_better():
    baseline = result({'psnr': range(12), 'lpips': range(12)})
    other = result({'psnr': np.arange(12) - 1, 'lpips': np.arange(12) - 1})
    assert paired_difference(baseline, other, 'psnr').verdict == 'worse'
    difference = paired_difference(baseline, other, 'lpips')
    assert difference.mean == -1 and difference.verdict == 'better' and difference.better == 12


def test_no_verdict_where_the_interval_contains_0():
    difference = paired_difference(psnr(1, 2, 3, 4), psnr(2, 1, 4, 3), 'psnr')
    assert difference.interval[0] < 0 < difference.interval[1] and difference.verdict == ''
    assert (difference.better, difference.worse, difference.equal) == (2, 2, 0)


def test_only_clips_with_a_score_in_both_count():
    difference = paired_difference(psnr(1, math.nan, 3, 4), psnr(2, 2, math.nan, 4), 'psnr')
    assert difference.clips == {'clip000': 1, 'clip003': 0} and difference.mean == 0.5
    nothing = paired_difference(psnr(1, math.nan), psnr(math.nan, 1), 'psnr')
    assert math.isnan(nothing.mean) and nothing.interval is None and nothing.clips == {}


def test_infinite_scores():
    both = paired_difference(psnr(math.inf, 1, 2), psnr(math.inf, 2, 3), 'psnr')
    assert both.clips['clip000'] == 0 and both.mean == pytest.approx(2 / 3) and both.equal == 1
    one = paired_difference(psnr(1, 1, 2), psnr(math.inf, 2, 3), 'psnr')
    assert one.mean == math.inf and one.interval is None and one.better == 3 and one.verdict == ''
    opposite = paired_difference(psnr(math.inf, 1), psnr(1, math.inf), 'psnr')
    assert math.isnan(opposite.mean) and (opposite.better, opposite.worse) == (1, 1)


def test_a_number_of_all_clips_has_a_difference_alone():
    baseline, other = (result({'psnr': (1, 2)}, metrics={'psnr': PSNR, 'fvd': FVD}, fvd=fvd) for fvd in (90.0, 70.0))
    difference = compare(runs(baseline, other)).datasets[0].differences['B']['fvd']
    assert difference.mean == -20 and difference.interval is None and difference.clips == {}


def test_clips_that_not_all_runs_have_are_skipped_and_reported():
    metrics = {'psnr': PSNR, 'fvd': FVD}
    comparison = compare(
        runs(
            result({'psnr': range(8)}, metrics=metrics, fvd=90.0),
            result({'psnr': range(9)}, metrics=metrics, fvd=80.0, first=5),
        )
    )
    (of_dataset,) = comparison.datasets
    assert [[clip.name for clip in of_run.clips] for of_run, _ in of_dataset.results] == [
        ['clip005', 'clip006', 'clip007']
    ] * 2
    assert of_dataset.differences['B']['psnr'].mean == -5
    assert 'fvd' not in of_dataset.differences['B'] and 'fvd' not in of_dataset.results[0][0].metrics
    assert of_dataset.notes == [
        'Skipped: 11 of 14 clips, which not all runs have: clip000, clip001, clip002, ….',
        'Skipped: FVD, a number of all clips of a run, which are not the same in all runs.',
    ]


def test_datasets_are_matched_by_name_or_are_the_only_ones():
    single = compare(runs(psnr(1, 2), psnr(2, 3, dataset='Faces')))
    assert single.notes == ['Datasets have different names: faces in A, Faces in B.']
    assert [of_run.dataset for of_run, _ in single.datasets[0].results] == ['faces', 'faces']
    several = compare(
        {
            'A': [(psnr(1, 2), ''), (psnr(5, 6, dataset='more'), '')],
            'B': [(psnr(2, 3, dataset='other'), ''), (psnr(6, 8, dataset='more'), '')],
        }
    )
    assert several.notes == ['Skipped: datasets that not all runs have: faces, other.']
    assert several.datasets[0].differences['B']['psnr'].mean == 1.5


def test_where_the_networks_file_lies_does_not_matter():
    moved = MetricInfo(**{**vars(LPIPS), 'options': {'type': 'calculate_lpips', 'weights': 'there', 'device': 'cpu'}})
    compare(
        runs(result({'lpips': (1, 2)}, metrics={'lpips': LPIPS}), result({'lpips': (1, 2)}, metrics={'lpips': moved}))
    )


BORDER = MetricInfo('PSNR', 'dB', 'higher', 'RGB', True, {'type': 'calculate_psnr', 'crop_border': 4})
Y_CHANNEL = MetricInfo('PSNR', 'dB', 'higher', 'Y channel', True, {'type': 'calculate_psnr', 'crop_border': 0})


@pytest.mark.parametrize(
    'compared, message',
    [
        (runs(psnr(1, 2)), '1 run to compare'),
        (runs(psnr(1, 2), psnr(1, 2, first=5)), 'faces: no clip is in the results of all runs'),
        (runs(psnr(1, 2), psnr(1, 2, num_frames=9)), 'faces: clip clip000 has 10 frames in A and 9 in B'),
        (
            runs(psnr(1), result({'psnr': [1]}, metrics={'psnr': BORDER})),
            'psnr are not comparable: .*border: 0.*border: 4',
        ),
        (runs(psnr(1), result({'psnr': [1]}, metrics={'psnr': Y_CHANNEL})), 'A has RGB, .* B has Y channel, '),
        (runs(psnr(1, math.nan), psnr(math.nan, 1)), 'no metric has scores in both A and B'),
        (runs(psnr(1), result({'lpips': [1]}, metrics={'lpips': LPIPS})), 'scores in both A and B; .*psnr.*lpips'),
        (
            {'A': [(psnr(1), ''), (psnr(1, dataset='b'), '')], 'B': [(psnr(1, dataset='c'), '')]},
            'no dataset in common: A has faces, b; B has c',
        ),
        ({'A': [(psnr(1), 'here'), (psnr(1), 'here')], 'B': [(psnr(1), '')]}, 'run A: two files of results in here'),
    ],
)
def test_what_cannot_be_compared_is_refused(compared, message):
    with pytest.raises(UserError, match=message) as error:
        compare(compared)
    assert '\n' not in str(error.value)


def test_results_are_found_by_file_and_by_folder(tmp_path):
    folder = written(tmp_path, psnr(1, 2, dataset='b'), psnr(1, 2, dataset='a'))
    assert [(of.dataset, str(where)) for of, where in find_results(folder)] == [('a', folder), ('b', folder)]
    assert [of.dataset for of, _ in find_results(f'{folder}/metrics_b.json')] == ['b']
    with pytest.raises(UserError, match='no results in .*metrics_<dataset>.json'):
        find_results(tmp_path)


def test_command_end_to_end(tmp_path, capsys):
    random = np.random.default_rng(5)
    scores = random.normal(30, 3, 20)
    better, equal = scores + random.normal(1, 0.2, 20), scores + random.normal(0, 0.2, 20)
    folders = [written(tmp_path, psnr(*of_run, run=run)) for run, of_run in zip('ABC', (scores, better, equal))]
    (tmp_path / 'out').mkdir()
    (tmp_path / 'out' / 'mine.txt').write_text('stays')
    command(*folders, '-o', tmp_path / 'out')
    text = capsys.readouterr().out
    assert {path.name for path in (tmp_path / 'out').iterdir()} == {
        'comparison.md',
        'comparison.json',
        'comparison.html',
        'clips.csv',
        'mine.txt',
    }
    assert (tmp_path / 'out' / 'comparison.md').read_text(encoding='utf-8') == text

    lines = [[cell.strip() for cell in line.split('|')[1:-1]] for line in text.splitlines() if line.startswith('| ')]
    assert [line[0] for line in lines if line[0].strip('-')] == ['A', 'B', 'C', 'PSNR ↑ (dB)', 'PSNR ↑ (dB)']
    of_b, of_c = [line for line in lines if line[0] == 'PSNR ↑ (dB)']
    assert float(of_b[1]) == pytest.approx(better.mean() - scores.mean(), abs=5e-4)
    assert of_b[3:] == ['20', '0', '0', 'better']
    assert of_c[3:5] == [str((equal > scores).sum()), str((equal < scores).sum())]

    numbers = json.loads((tmp_path / 'out' / 'comparison.json').read_text())
    of_faces = numbers['data_sets']['faces']
    assert numbers['baseline'] == 'A' and of_faces['means']['B']['psnr']['restored'] == pytest.approx(better.mean())
    assert list(of_faces['differences']['C']['psnr']['clips'].values()) == pytest.approx(list(equal - scores))
    low, high = of_faces['differences']['B']['psnr']['interval']
    assert f'[{low:+.3f}, {high:+.3f}]' == of_b[2]
    with open(tmp_path / 'out' / 'clips.csv', newline='') as file:
        assert [float(row['psnr']) for row in csv.DictReader(file)] == [*scores, *better, *equal]


def test_numbers_that_json_does_not_know(tmp_path, capsys):
    folders = [
        written(tmp_path, psnr(*of_run, run=run))
        for run, of_run in (('A', (1, math.inf)), ('B', (math.inf, math.inf)), ('C', (math.inf, 1)))
    ]
    command(*folders, '-o', tmp_path / 'out')
    differences = json.loads((tmp_path / 'out' / 'comparison.json').read_text())['data_sets']['faces']['differences']
    assert differences['B']['psnr']['mean'] == 'inf' and differences['C']['psnr']['mean'] is None
    assert differences['C']['psnr']['clips'] == {'clip000': 'inf', 'clip001': '-inf'}
    assert '+∞' in capsys.readouterr().out


def test_runs_of_one_name_are_told_apart_by_their_folders(tmp_path, capsys):
    first, second = written(tmp_path / 'one', psnr(1, 2)), written(tmp_path / 'two', psnr(2, 3))
    command(first, second)
    assert f'### A ({second}) against A ({first})\n' in capsys.readouterr().out
    command(first, second, '--names', 'early', 'late')
    assert '### late against early\n' in capsys.readouterr().out


@pytest.mark.parametrize(
    'arguments, message',
    [
        (['one/A', 'one/../one/A'], 'is given twice'),
        (['one/A', 'two/A', '--names', 'x', 'x'], '--names has a name twice'),
        (['one/A', 'two/A', '--names', 'x'], '--names has 1 for 2 results'),
        (['one/A', 'two/A', '-o', 'one/A/metrics_faces.json'], 'cannot write to one/A/metrics_faces.json'),
        (['one/A', 'three'], 'no results in three'),
        (['one/A', 'two/A', '-o', 'two/../one/A'], '-o two/../one/A holds results that are compared: name another'),
        (['one/A', 'two/A', '-o', 'two/A'], '-o two/A holds results that are compared: name another folder'),
        (['one/A', 'two/A/metrics_faces.json', '-o', 'two/A'], '-o two/A holds results that are compared'),
    ],
)
def test_mistakes_of_the_command_line(tmp_path, monkeypatch, capsys, arguments, message):
    written(tmp_path / 'one', psnr(1, 2))
    written(tmp_path / 'two', psnr(2, 3))
    monkeypatch.chdir(tmp_path)
    files = sorted(tmp_path.rglob('*'))
    with pytest.raises(UserError, match=message):
        command(*arguments)
    assert capsys.readouterr().out == '' and sorted(tmp_path.rglob('*')) == files


def test_different_protocols_are_refused_or_flagged(tmp_path, capsys):
    first, other = psnr(30, 31), psnr(31, 30, run='B')
    first.protocol, other.protocol = 'table1@11111111', 'table1@22222222'
    paths = [written(tmp_path, first), written(tmp_path, other)]
    with pytest.raises(UserError) as refusal:
        command(*paths)
    (line,) = str(refusal.value).splitlines()
    assert line.startswith(
        'faces: numbers of different protocols do not compare: A has table1@11111111, B has table1@2'
    )

    command(*paths, '--mixed-protocols', '-o', tmp_path / 'out')
    text = capsys.readouterr().out
    stated = 'different protocols, whose numbers do not compare (A: table1@11111111, B: table1@22222222)'
    assert f'**{stated}**' in text and text == (tmp_path / 'out' / 'comparison.md').read_text()
    # None is best.
    assert '**3' not in text
    assert stated in (tmp_path / 'out' / 'comparison.html').read_text()
    contents = json.loads((tmp_path / 'out' / 'comparison.json').read_text())
    assert contents['data_sets']['faces']['protocols'] == {'A': first.protocol, 'B': other.protocol}

    other.protocol = ''
    written(tmp_path, other)
    with pytest.raises(UserError, match='A has table1@11111111, B has none'):
        command(*paths)
    other.protocol = first.protocol
    written(tmp_path, other)
    command(*paths)
    assert ', protocol table1@11111111\n' in capsys.readouterr().out


def test_numbers_of_some_clips_have_no_protocol(tmp_path, capsys):
    """Of a benchmark's clips the runs may have some in common."""
    first, other = psnr(30, 31), psnr(31, run='B')
    first.protocol = other.protocol = 'table1@11111111'
    command(written(tmp_path, first), written(tmp_path, other), '-o', tmp_path / 'out')
    assert 'Skipped: 1 of 2 clips' in (text := capsys.readouterr().out) and 'protocol' not in text
    contents = json.loads((tmp_path / 'out' / 'comparison.json').read_text())
    assert contents['data_sets']['faces']['protocols'] == {'A': '', 'B': ''}


def test_results_of_older_versions_state_no_protocol(tmp_path):
    path = tmp_path / written(tmp_path, psnr(30)) / 'metrics_faces.json'
    contents = json.loads(path.read_text())
    assert contents.pop('protocol') == ''
    path.write_text(json.dumps(contents))
    ((result, _),) = find_results(path)
    assert result.protocol == ''
