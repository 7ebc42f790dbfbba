"""Tables of methods as `basicsr test` makes them, with small networks on clips of noise."""

import hashlib
import json
import re

import cv2
import numpy as np
import pytest
import yaml

from pgtf_basicsr import config
from pgtf_basicsr.archs import TSVQGAN, PGTFormer
from pgtf_basicsr.evaluation.method_table import MethodSource, MethodTable, write_method_table
from pgtf_basicsr.evaluation.results import ClipResult, DatasetResult, MetricInfo, read_results
from pgtf_command import run_command

from ..helpers.processes import run
from ..helpers.quickstart import ROOT
from ..helpers.small_networks import build, write

CLIPS = {'b': 5, 'a': 4, 'c': 4}
SIZE = 32


@pytest.fixture(scope='module')
def project(tmp_path_factory):
    """A folder with clips and weights."""
    folder = tmp_path_factory.mktemp('tables')
    generator = np.random.default_rng(0)
    for clip, length in CLIPS.items():
        for number in range(length):
            frame = generator.integers(0, 256, (SIZE, SIZE, 3), dtype=np.uint8)
            for kind, image in (('GT', frame), ('LQ', cv2.blur(frame, (3, 3)))):
                path = folder / kind / clip / f'{number:08d}.png'
                path.parent.mkdir(parents=True, exist_ok=True)
                cv2.imwrite(str(path), image)
    for name, kind in (('pgtformer', PGTFormer), ('vqgan', TSVQGAN)):
        write(folder / f'{name}.pth', kind, params=build(kind).state_dict())
    return folder


def options(**changes):
    """Options of a table of three methods, one of which has no weights."""
    metrics = {
        'psnr': {'type': 'calculate_psnr', 'crop_border': 0},
        'lpips': {'type': 'calculate_lpips', 'weights': 'nowhere.pth'},
        'acc_t1': {'type': 'calculate_code_accuracy'},
    }
    dataset = {'name': 'noise', 'type': 'VFHQDataset', 'dataroot_gt': 'GT', 'dataroot_lq': 'LQ', 'gt_size': SIZE}
    return {
        'name': 'table',
        'model_type': 'MethodComparisonModel',
        'num_gpu': 0,
        'manual_seed': 0,
        'datasets': {'test': dataset},
        'methods': {
            'Input': {'type': 'Input'},
            'CodeFormer': {'type': 'CodeFormer', 'weights': 'codeformer.pth', 'alignment': {'noise': 'frame'}},
            'Ours': {'type': 'PGTFormer', 'weights': 'pgtformer.pth'},
        },
        'path': {'pretrain_network_vqgan': 'vqgan.pth'},
        'val': {'save_img': True, 'metrics': metrics},
        **changes,
    }


def table_of(folder, opt, world_size=1):
    """Contents of the table that a test of options makes, and the folder of its results."""
    (folder / 'table.yml').write_text(yaml.safe_dump(opt, sort_keys=False))
    if world_size > 1:
        run(folder, 'test', '-opt', 'table.yml', world_size=world_size)
    else:
        assert run_command(['test', '-opt', 'table.yml']) == 0
    results = folder / 'results' / opt['name']
    return json.loads((results / 'table.json').read_text()), results


def test_every_number_traces_to_a_folder_and_what_is_missing_has_a_reason(project, monkeypatch):
    monkeypatch.chdir(project)
    opt = options()
    opt['val']['timing'] = {'frames': 2, 'rounds': 1}
    table, results = table_of(project, opt)
    assert list(table['methods']) == ['Input', 'Ours']
    for method, contents in table['methods'].items():
        origin = contents['results']['noise']
        of_method = read_results(results / origin['file'])
        assert of_method.run == method and of_method.protocol == origin['protocol'] == ''
        assert {name: of_method.mean(name) for name in of_method.metrics} == origin['means']
        assert [clip.name for clip in of_method.clips] == ['a', 'b', 'c']
        saved = sorted((results / 'visualization' / method / 'noise').rglob('*.png'))
        assert len(saved) == sum(CLIPS.values())
    assert table['methods']['Ours']['digest'] == hashlib.sha256((project / 'pgtformer.pth').read_bytes()).hexdigest()

    # The input by hand: the mean over clips of the mean over frames.
    def psnr(clip, number):
        real, degraded = (cv2.imread(f'{kind}/{clip}/{number:08d}.png').astype(np.float64) for kind in ('GT', 'LQ'))
        return 20 * np.log10(255 / np.sqrt(((real - degraded) ** 2).mean()))

    expected = np.mean([np.mean([psnr(clip, number) for number in range(n)]) for clip, n in CLIPS.items()])
    assert table['methods']['Input']['results']['noise']['means'] == pytest.approx({'psnr': expected})
    # Codes are those of PGTFormer alone.
    assert 0 <= table['methods']['Ours']['results']['noise']['means']['acc_t1'] <= 1
    assert table['differences']['noise']['differences']['Ours']['psnr']['mean'] == pytest.approx(
        table['methods']['Ours']['results']['noise']['means']['psnr'] - expected
    )

    (left_out,) = table['not_run']
    assert left_out['method'] == 'CodeFormer' and 'codeformer.pth' in left_out['reason']
    assert list(table['not_measured']) == ['LPIPS'] and 'nowhere.pth' in table['not_measured']['LPIPS']
    times = table['seconds_a_frame']['noise']
    assert times['machine'] and set(times['methods']) == {'Input', 'Ours'}
    log = next(results.glob('test_*.log')).read_text()
    for text in (log, (results / 'metrics.md').read_text(), (results / 'metrics.html').read_text()):
        assert left_out['reason'] in text and 'nowhere.pth' in text


def test_processes_share_the_clips_out_and_reconstructions_take_the_ground_truth(project, monkeypatch):
    monkeypatch.chdir(project)
    methods = {'Input': {'type': 'Input'}, 'VQGAN': {'type': 'TSVQGAN', 'weights': 'vqgan.pth'}}
    opt = options(name='sharded', methods=methods)
    opt['val'] |= {'input': 'gt', 'save_img': False}
    shared, _ = table_of(project, opt, world_size=2)
    alone, _ = table_of(project, opt)
    assert shared == alone
    assert alone['methods']['Input']['results']['noise']['means']['psnr'] == 'inf'
    assert np.isfinite(alone['methods']['VQGAN']['results']['noise']['means']['psnr'])


MISTAKES = [
    ('type: CodeFormer', 'type: CodeFormr', 'methods.CodeFormer.type: no method is registered as CodeFormr'),
    ('weights: pgtformer.pth', 'weigths: pgtformer.pth', 'methods.Ours.weigths: there is no such option'),
    ('noise: frame', 'noise: often', "methods.CodeFormer.alignment.noise is 'often'; it must be one of none, frame"),
    ('noise: frame', 'nois: frame', 'methods.CodeFormer.alignment.nois: there is no dataset of this name; did you'),
    ('  Ours:', '  visualization:', 'methods.visualization is the name of a folder of the results'),
    ('num_gpu: 0', 'num_gpu: 0\nlogger: {use_tb_logger: true}', 'logger: there is no such option for Method'),
]


@pytest.mark.parametrize('text, other, message', MISTAKES)
def test_a_mistake_is_one_line_with_the_place(project, monkeypatch, capsys, text, other, message):
    monkeypatch.chdir(project)
    lines = yaml.safe_dump(options(), sort_keys=False).replace(text, other)
    (project / 'mistake.yml').write_text(lines)
    assert run_command(['test', '-opt', 'mistake.yml']) == 2
    error = capsys.readouterr().err
    place = re.match(r'basicsr: mistake.yml, line (\d+): ', error)
    assert message in error and error.count('\n') == 1
    assert other.split('\n')[-1].split(':')[0].strip() in lines.splitlines()[int(place[1]) - 1]


def test_a_table_that_mixes_protocols_is_flagged_wherever_it_is_read(tmp_path):
    psnr = MetricInfo('PSNR', 'dB')
    table = MethodTable('mixed', {'A': MethodSource({'type': 'Input'})})
    for dataset, protocol in (('aligned', 'table1@11111111'), ('unaligned', 'table1@22222222')):
        clip = ClipResult('clip', 1, {'psnr': {'restored': 30.0}})
        table.results.append(DatasetResult('A', dataset, {'psnr': psnr}, [clip], protocol=protocol))
    write_method_table(table, tmp_path)
    for name in ('metrics.md', 'metrics.html', 'table.json'):
        text = (tmp_path / name).read_text().replace('\\', '')
        assert 'mixes protocols (table1@11111111: aligned; table1@22222222: unaligned)' in text, name
    table.results.pop()
    assert table.warnings() == []


@pytest.mark.parametrize('number', range(1, 7))
def test_tables_in_small_differ_from_those_of_the_paper_in_size_and_data_alone(number):
    full, small = (config.load(ROOT / 'options/tables' / where / f'table{number}.yml') for where in ('', 'quickstart'))
    text = json.dumps(full).replace('/PGTFormer_', '/quickstart_').replace('benchmarks/table1', 'benchmarks/quickstart')
    expected = json.loads(text.replace('"gt_size": 512', '"gt_size": 48'))
    expected['name'] = f'quickstart_table{number}'
    for opt in (expected, small):
        opt['val'].pop('timing', None)
    assert small == expected
