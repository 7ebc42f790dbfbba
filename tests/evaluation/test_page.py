"""The page of results: what stands in the file, and what a browser makes of it."""

import base64
import json
import math
import re
import subprocess
from html.parser import HTMLParser

import cv2
import numpy as np
import pytest

from pgtf_basicsr.evaluation.markdown import TextTable
from pgtf_basicsr.evaluation.page import PageSection, write_page
from pgtf_basicsr.evaluation.results import ClipResult, DatasetResult, MetricInfo

from ..helpers.browsers import BROWSER

HOSTILE = '</script><img src=x onerror=alert(1)>'
METRICS = {
    'psnr': MetricInfo('PSNR', 'dB'),
    'deg': MetricInfo('Deg', '°', 'lower', 'dlib ResNet-29', of_paper=False),
    'fvd': MetricInfo('FVD', '', 'lower', 'I3D'),
}
# Of each clip, for run A, run B and the degraded input.
PSNR = {HOSTILE: (30.0, 31.0, 20.0), 'Clip+a': (math.inf, 28.5, 22.0), 'clip 10%': (math.nan, 25.25, 21.0)}


def run_result(name, column, pictures=None):
    clips = []
    for clip, scores in PSNR.items():
        numbers = {'restored': scores[column], 'degraded': scores[2]}
        curves = {side: [number, math.nan, number - 1.2345678] for side, number in numbers.items()}
        deg = {'restored': 12.0 + column, 'degraded': 40.0}
        of_clip = (pictures or {}).get(clip, {})
        clips.append(ClipResult(clip, 3, {'psnr': numbers, 'deg': deg}, {'psnr': curves}, of_clip))
    return DatasetResult(name, 'set', METRICS, clips, {'fvd': {'restored': 300.0 + column, 'degraded': 900.0}})


def contents_of(page):
    return json.loads(re.search('<script type="application/json" id="contents">(.*?)</script>', page, re.DOTALL)[1])


def written(tmp_path, results, title='Title'):
    write_page(tmp_path / 'page.html', title, [(result, tmp_path) for result in results])
    return (tmp_path / 'page.html').read_text(encoding='utf-8')


def test_the_page_refers_to_nothing_outside(tmp_path):
    page = written(tmp_path, [run_result('A', 0)])
    assert set(re.findall(r'\w+://[^\s\'"<]*', page)) == {'http://www.w3.org/2000/svg'}
    assert not re.search(r'@import|url\(|<link|<img|<[^>]* (src|href|style|on\w+)=', page)
    assert "default-src 'none'; img-src data:;" in page
    assert [file.name for file in tmp_path.iterdir()] == ['page.html']


def test_numbers_come_back_from_the_page(tmp_path):
    contents = contents_of(written(tmp_path, [run_result('A', 0)]))
    (dataset,) = contents['datasets']
    assert dataset['clips'] == [{'name': clip, 'frames': 3} for clip in PSNR]
    degraded, restored = dataset['series']
    assert [(one['run'], one['side']) for one in dataset['series']] == [('A', 'degraded'), ('A', 'restored')]
    assert restored['scores'] == [[30.0, 12.0, None], ['Infinity', 12.0, None], [None, 12.0, None]]
    assert degraded['means'] == [21.0, 40.0, 900.0]
    assert restored['means'] == ['Infinity', 12.0, 300.0] and restored['counts'] == [2, 3, 0]
    # Five digits are plenty for a curve.
    assert restored['curves'][0] == [[30.0, None, 28.765], [], []]


def test_texts_cannot_end_the_script_that_they_stand_in(tmp_path):
    result = run_result(HOSTILE, 0)
    result.clips[1].name = 'lines\u2028and <!-- comments -->'
    result.clips[2].name = 'no Unicode \udcff'
    page = written(tmp_path, [result], HOSTILE)
    assert '<img' not in page and '\u2028' not in page and '<!--' not in page
    assert page.count('<title>&lt;/script&gt;&lt;img') == 1
    names = [clip['name'] for clip in contents_of(page)['datasets'][0]['clips']]
    assert names == [HOSTILE, 'lines\u2028and <!-- comments -->', 'no Unicode ?']


def test_the_degraded_input_of_several_runs_is_shown_once_unless_they_disagree(tmp_path):
    runs = [run_result('A', 0), run_result('B', 1)]
    series = contents_of(written(tmp_path, runs))['datasets'][0]['series']
    assert [(one['run'], one['side']) for one in series] == [('A', 'degraded'), ('A', 'restored'), ('B', 'restored')]
    runs[1].clips[0].scores['psnr']['degraded'] += 1
    series = contents_of(written(tmp_path, runs))['datasets'][0]['series']
    assert [one['run'] for one in series] == ['A', 'B', 'A', 'B']


def test_clips_that_a_run_does_not_have_stay_empty(tmp_path):
    runs = [run_result('A', 0), run_result('B', 1)]
    del runs[0].clips[1]
    (dataset,) = contents_of(written(tmp_path, runs))['datasets']
    assert [clip['name'] for clip in dataset['clips']] == [HOSTILE, 'clip 10%', 'Clip+a']
    of_a = next(one for one in dataset['series'] if (one['run'], one['side']) == ('A', 'restored'))
    assert of_a['scores'][2] == [None, None, None] and of_a['curves'][2] == [[], [], []] and of_a['pictures'][2] == {}


def test_footnotes_tell_what_is_behind_the_numbers(tmp_path):
    runs = [run_result('A', 0), run_result('B', 1)]
    contents = contents_of(written(tmp_path, runs))
    assert [metric['marks'] for metric in contents['metrics']] == [[], ['†', '1'], ['2']]
    assert [note['text'] for note in contents['notes']] == [
        "Not comparable with the paper's numbers",
        'dlib ResNet-29',
        'I3D',
    ]
    runs[1].metrics = {**METRICS, 'deg': MetricInfo('Deg', '°', 'lower', 'ArcFace')}
    contents = contents_of(written(tmp_path, runs))
    assert [metric['comparable'] for metric in contents['metrics']] == [True, False, True]
    assert contents['notes'][1]['text'].startswith('A: dlib ResNet-29; B: ArcFace. Measured with different options')


def test_pictures_are_inside_and_those_that_are_gone_are_skipped(tmp_path):
    slope = np.linspace(0, 255, 1500).astype(np.uint8)[None, :, None].repeat(30, axis=0).repeat(3, axis=2)
    stripes = np.zeros((30, 1500, 3), np.uint8)
    stripes[::2] = 255
    cv2.imwrite(str(tmp_path / 'slope.png'), slope)
    cv2.imwrite(str(tmp_path / 'stripes.png'), stripes)
    (tmp_path / 'broken.png').write_bytes(b'no picture')
    page = written(
        tmp_path,
        [
            run_result(
                'A',
                0,
                {
                    HOSTILE: {'frames': 'slope.png', 'slices': 'stripes.png'},
                    'Clip+a': {'frames': 'gone.png', 'slices': 'broken.png'},
                },
            )
        ],
    )
    assert contents_of(page)['datasets'][0]['series'][1]['pictures'] == [
        {'frames': 0, 'slices': 1},
        {'frames': 2, 'slices': 3},
        {},
    ]
    pictures = {
        name: cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        for name, data in re.findall('id="(picture-.)"[^>]*>(.*?)</script>', page)
    }
    assert {name: picture.shape for name, picture in pictures.items()} == {
        'picture-0': (24, 1200, 3),
        'picture-1': (30, 1200, 3),
    }
    assert 'data-width="1200" data-height="24"' in page
    np.testing.assert_allclose(pictures['picture-0'][10, :, 1], np.linspace(0, 255, 1200), atol=3)
    # Neighbouring frames of slices do not run into each other.
    np.testing.assert_allclose(pictures['picture-1'], stripes[:, :1200], atol=12)


def test_images_of_several_runs_stand_side_by_side(tmp_path):
    levels = {'degraded': 40, 'restored': 120, 'real': 200}
    image = np.repeat(np.array(list(levels.values()), np.uint8), 8)[None, :, None].repeat(8, axis=0).repeat(3, axis=2)
    cv2.imwrite(str(tmp_path / 'frames.png'), image)
    runs = [run_result(name, column, {'Clip+a': {'frames': 'frames.png'}}) for column, name in enumerate('AB')]
    for result in runs:
        result.clips[1].columns = tuple(levels)
    page = written(tmp_path, runs)
    (dataset,) = contents_of(page)['datasets']
    # What all runs have alike is shown once.
    numbers = {label: pictures[1]['frames'] for label, pictures in dataset['shared'].items()}
    numbers |= {one['run']: one['pictures'][1]['frames'] for one in dataset['series'] if one['side'] == 'restored'}
    assert dataset['sideBySide'] and sorted(numbers) == ['A', 'B', 'degraded input', 'ground truth']
    shown = {}
    for name, number in numbers.items():
        data = re.search(f'id="picture-{number}"[^>]*>(.*?)</script>', page)[1]
        column = cv2.imdecode(np.frombuffer(base64.b64decode(data), np.uint8), cv2.IMREAD_COLOR)
        shown[name] = column.mean()
        assert column.shape == (8, 8, 3)
    assert shown == pytest.approx({'A': 120, 'B': 120, 'degraded input': 40, 'ground truth': 200}, abs=2)
    # Where it is not known what an image shows, all of it is shown, and runs stand below each other.
    runs[1].clips[1].columns = ()
    (dataset,) = contents_of(written(tmp_path, runs))['datasets']
    assert not dataset['sideBySide'] and dataset['shared'] == {}


class Tables(HTMLParser):
    """Texts of the cells of a page's tables, by row; `others` are the other start tags."""

    def __init__(self, page):
        super().__init__()
        self.tables, self.others = [], []
        self._in_cell = False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        if tag == 'table':
            self.tables.append([])
        elif tag == 'tr':
            self.tables[-1].append([])
        elif tag in ('td', 'th'):
            self.tables[-1][-1].append('')
            self._in_cell = True
        else:
            self.others.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        self._in_cell = self._in_cell and tag not in ('td', 'th')

    def handle_data(self, text):
        if self._in_cell:
            self.tables[-1][-1][-1] += text


def opened(page, profile, clip):
    """A page after its scripts, in a browser without network, and what was written on the browser's console."""
    arguments = [
        '--headless',
        '--no-sandbox',
        '--disable-gpu',
        '--disable-dev-shm-usage',
        '--no-first-run',
        f'--user-data-dir={profile}',
        '--host-resolver-rules=MAP * ~NOTFOUND',
        '--window-size=1280,1000',
        '--enable-logging=stderr',
        '--v=0',
        '--virtual-time-budget=2000',
        '--dump-dom',
    ]
    done = subprocess.run(
        [BROWSER, *arguments, f'{page.as_uri()}#{clip}'], capture_output=True, encoding='utf-8', timeout=120, check=True
    )
    return Tables(done.stdout), [line for line in done.stderr.splitlines() if 'CONSOLE' in line]


@pytest.mark.skipif(BROWSER is None, reason='there is no Chromium')
def test_a_browser_shows_it(tmp_path):
    cv2.imwrite(str(tmp_path / 'picture.png'), np.full((4, 6, 3), 128, np.uint8))
    pictures = {'Clip+a': {'frames': 'picture.png'}}
    found = [(run_result('A', 0, pictures), tmp_path), (run_result('B', 1), tmp_path)]
    text = TextTable(HOSTILE, [['', 'reason'], [HOSTILE, 'a & b']], [HOSTILE])
    section = PageSection(HOSTILE, [text], HOSTILE, [HOSTILE])
    write_page(tmp_path / 'page.html', 'Title', found, [section], [HOSTILE])
    page = (tmp_path / 'page.html').read_text(encoding='utf-8')

    shown, console = opened(tmp_path / 'page.html', tmp_path / 'profile', 'set/Clip+a')
    assert console == []
    means, texts, clips, curves = shown.tables
    assert texts == [['', 'reason'], [HOSTILE, 'a & b']]
    assert means[0][0] == 'Run' and means[0][1].startswith('PSNR ↑') and means[0][2].startswith('Deg ↓†, 1')
    assert means[2:] == [
        ['degraded input', '21.00', '40.00', '900.0'],
        ['A', '∞2 of 3 clips', '12.00', '300.0'],
        ['B', '28.25', '13.00', '301.0'],
    ]
    assert clips[2:] == [
        [HOSTILE, '3', '30.00', '31.00', '12.00', '13.00'],
        ['Clip+a', '3', '∞', '28.50', '12.00', '13.00'],
        ['clip 10%', '3', '–', '25.25', '12.00', '13.00'],
    ]
    # The clip of the address: the curve of A has an infinite first frame, and nan in the second.
    assert curves == [
        ['Curve', 'Frame –', 'Whole clip', 'Worst', 'at frame'],
        ['degraded input', '–', '22.00', '20.77', '2'],
        ['A', '–', '∞', '∞', '0'],
        ['B', '–', '28.50', '27.27', '2'],
    ]
    images = [attributes for tag, attributes in shown.others if tag == 'img']
    assert [image['alt'] for image in images] == ['A, frames']

    # The same page, used: sort by A's PSNR, then the other way round; read frame 2; select the last clip.
    use = """<script>addEventListener('load', async () => {
        const button = document.querySelectorAll('.clips button')[2];
        const names = () => [...document.querySelectorAll('.clips tbody th')].map((name) => name.textContent);
        button.click();
        const worstFirst = [names(), button.parentNode.getAttribute('aria-sort')];
        button.click();
        const bestFirst = [names(), button.parentNode.getAttribute('aria-sort')];
        const chart = document.querySelector('.chart');
        chart.dispatchEvent(new KeyboardEvent('keydown', { key: 'End' }));
        const read = [...document.querySelectorAll('.legend td:nth-child(2)')].map((cell) => cell.textContent);
        const drawn = [...chart.querySelectorAll('.line')].map((line) => line.getAttribute('d').replace(/[^ML]/g, ''));
        const { naturalWidth } = document.querySelector('img');
        document.querySelector('input').click();
        document.querySelectorAll('.clips tbody tr')[2].click();
        await new Promise((done) => { setTimeout(done, 100); });
        const selected = [document.querySelector('article h3').textContent, location.hash];
        document.body.dataset.seen = JSON.stringify({ worstFirst, bestFirst, read, drawn, naturalWidth, selected });
        fetch('https://example.org/').catch(() => {});
    });</script></body>"""
    (tmp_path / 'used.html').write_text(page.replace('</body>', use), encoding='utf-8')
    shown, console = opened(tmp_path / 'used.html', tmp_path / 'profile', 'set/Clip%2Ba')
    seen = json.loads(next(attributes for tag, attributes in shown.others if tag == 'body')['data-seen'])
    assert seen == {
        'worstFirst': [[HOSTILE, 'Clip+a', 'clip 10%'], 'ascending'],
        'bestFirst': [['Clip+a', HOSTILE, 'clip 10%'], 'descending'],
        'read': ['20.77', '∞', '27.27'],
        'drawn': ['MM', '', 'MM'],
        'naturalWidth': 6,
        'selected': ['clip 10%', '#set/clip%2010%25'],
    }
    assert [row[2:5] for row in shown.tables[2][2:]] == [
        ['20.00', '30.00', '31.00'],
        ['22.00', '∞', '28.50'],
        ['21.00', '–', '25.25'],
    ]
    # The page's policy forbids any request, and a violation would have been noticed above.
    assert len(console) >= 1 and all('Content Security Policy' in line for line in console)
