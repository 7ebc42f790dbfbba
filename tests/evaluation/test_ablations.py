"""``basicsr report ablations`` on results and options as runs leave them, against numbers by hand."""

import statistics

import pytest
import yaml

from pgtf_basicsr.evaluation.results import write_results
from pgtf_command import run_command

from ..helpers.quickstart import stage_options
from .test_comparison import PSNR, result


@pytest.fixture(autouse=True)
def in_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write_run(folder, name, stage, seed, scores, network=(), protocol='', **training):
    """Write what a training and a test of its weights leave: options, and scores of clips."""
    opt = stage_options(stage, **training)
    opt['network_g'].update(network)
    opt.update(manual_seed=seed, name=name)
    experiment, test = folder / 'experiments' / name, folder / 'results' / name
    for path in (experiment, test):
        path.mkdir(parents=True)
    (experiment / 'options_20260101_000000.yml').write_text(yaml.safe_dump(opt))
    opt['path']['pretrain_network_g'] = f'experiments/{name}/models/net_g_latest.pth'
    del opt['train']
    opt['datasets'] = {'val': opt['datasets']['val']}
    (test / 'options_20260101_000001.yml').write_text(yaml.safe_dump(opt))
    scored = result({'psnr': scores}, run=name, dataset='held_out', metrics={'psnr': PSNR})
    scored.protocol = protocol
    write_results(scored, test / 'metrics_held_out.json')
    return test


def reported(capsys, *folders):
    """Tables of a report: lists of rows of cells, and what goes to standard error."""
    assert run_command(['report', 'ablations', *map(str, folders)]) == 0
    captured = capsys.readouterr()
    tables = [[]]
    for line in captured.out.splitlines():
        if not line.startswith('|'):
            tables.append([])
        elif not line.startswith('| --'):
            tables[-1].append([cell.strip() for cell in line.strip('|').split('|')])
    return [table for table in tables if table], captured


def refused(capsys, *folders):
    assert run_command(['report', 'ablations', *map(str, folders)]) == 2
    return capsys.readouterr().err


def test_variants_are_summarised_over_seeds_and_every_number_names_its_run(in_folder, capsys):
    numbers = {'spatial': (20.0, 21.5, 22.0), 'full': (23.0, 23.5, 25.0)}
    for name, network in (('full', {}), ('spatial', {'tfr_temporal': False})):
        for seed, mean in enumerate(numbers[name]):
            write_run(in_folder, f'{name}_{seed}', 3, seed, (mean - 1, mean + 1), network)
    write_run(in_folder, 'image', 1, 7, (30.0, 31.0), {'swin3d': False})
    tables, captured = reported(capsys)
    (first, first_runs), (third, third_runs) = tables[:2], tables[2:]
    assert first[1][0] == 'image VQGAN' and first[1][2:] == ['1', '30.50']
    assert [row[0] for row in third] == ['', 'spatial TFR', 'PGTFormer']
    for row, values in zip(third[1:], numbers.values()):
        mean, deviation = statistics.mean(values), statistics.stdev(values)
        assert row[2:] == ['3', f'{mean:.2f} ± {deviation:.2f}']
    assert first_runs[1][1:] == ['7', '30.50', 'results/image', 'experiments/image/models/net_g_latest.pth']
    assert [row[1:4] for row in third_runs[1:4]] == [
        [str(seed), f'{value:.2f}', f'results/spatial_{seed}'] for seed, value in enumerate(numbers['spatial'])
    ]
    titles = [line for line in captured.out.splitlines() if line.startswith('## ')]
    assert ['(Table 3)' in titles[0], '(Table 5)' in titles[1]] == [True, True] and captured.err == ''


def test_what_is_not_comparable_is_not_averaged(in_folder, capsys):
    """Other settings make a table of their own, and other losses a row of their own."""
    write_run(in_folder, 'a', 3, 0, (20.0,))
    write_run(in_folder, 'longer', 3, 1, (22.0,), **{'train:total_iter': 4})
    write_run(in_folder, 'other_protocol', 3, 3, (22.0,), protocol='table1@0123abcd')
    write_run(in_folder, 'other_loss', 3, 2, (24.0,), **{'train:pixel_opt:type': 'CharbonnierLoss'})
    tables, captured = reported(capsys)
    assert [len(table) - 1 for table in tables] == [2, 2, 1, 1, 1, 1]
    assert [row[0] for row in tables[0][1:]] == [
        'PGTFormer (train.pixel_opt.type L1Loss)',
        'PGTFormer (train.pixel_opt.type CharbonnierLoss)',
    ]
    for setting in (
        'train.total_iter 2, protocol none.',
        'train.total_iter 4, protocol none.',
        'train.total_iter 2, protocol table1@0123abcd.',
    ):
        assert f'Of the runs with {setting}' in captured.out


def test_runs_of_one_seed_are_flagged(in_folder, capsys):
    for name in 'ab':
        write_run(in_folder, name, 2, 0, (20.0,), {'predictor_position': 'learned'})
    _, captured = reported(capsys)
    assert 'counted as if they were independent: learned position code.' in captured.out


def test_other_results_are_skipped_by_name(in_folder, capsys):
    run = write_run(in_folder, 'a', 3, 0, (20.0,))
    other = in_folder / 'results' / 'other'
    other.mkdir()
    write_results(result({'psnr': (1.0,)}, metrics={'psnr': PSNR}), other / 'metrics_faces.json')
    tables, captured = reported(capsys, run, 'results')
    assert [len(table) - 1 for table in tables] == [1, 1]
    assert captured.err == 'Skipped: results/other: it has no options_<time>.yml\n'
    message = 'no results of a trained TSVQGAN or PGTFormer: results/other: it has no options_<time>.yml'
    assert message in refused(capsys, 'results/other')


def test_folders_without_results_are_refused(in_folder, capsys):
    assert 'there is no folder results: ' in refused(capsys)
    (in_folder / 'results').mkdir()
    assert 'no results in results: basicsr test writes' in refused(capsys)
