"""``basicsr ui`` as a process: who is served what, and the page in a real browser, from upload to download."""

import importlib.util
import json
import re
import signal
import socket
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from urllib.parse import unquote, urlsplit

import av
import numpy as np
import pytest

from pgtf_basicsr.samples.scenes import scenes
from pgtf_command import run_command

from ..helpers.browsers import BROWSER
from ..helpers.processes import Run, run
from ..helpers.small_networks import PGTFormer, build, write
from ..helpers.videos import audio_packets, write_video

needs_gradio = pytest.mark.skipif(importlib.util.find_spec('gradio') is None, reason='there is no Gradio')
MAX_SIZE = 2**20
FRAMES = 8


@pytest.fixture(scope='module')
def weights(tmp_path_factory):
    return write(tmp_path_factory.mktemp('weights') / 'net_g.pth', PGTFormer, params=build(PGTFormer).state_dict())


class Server:
    """A running ``basicsr ui``."""

    def __init__(self, folder, weights):
        arguments = ('--weights', weights, '--size', 16, '--device', 'cpu', '--port', 0, '--max-size', '1MB')
        self.folder, self.run = folder, Run(folder, 'ui', *arguments)
        self.run.wait_for('Ctrl-C ends it')
        self.address = re.search(r'http://127\.0\.0\.1:\d+', self.run.output())[0]
        self.port = int(self.address.rpartition(':')[2])

    def ask(self, path, data=None, **headers):
        """Status, headers and content of an answer."""
        request = urllib.request.Request(self.address + path, data, headers)
        try:
            with urllib.request.urlopen(request, timeout=60) as answer:
                return answer.status, answer.headers, answer.read()
        except urllib.error.HTTPError as error:
            return error.code, error.headers, error.read()

    def end(self, number, status):
        """End it by a signal; nothing may stay."""
        (file,) = map(Path, json.loads(self.upload(b'video', 'last.mp4')[1]))
        assert file.is_file()
        self.run.signal(number)
        assert self.run.statuses() == [status] and not file.parents[1].exists()
        assert 'Traceback' not in self.run.output()
        assert list(self.folder.iterdir()) == []

    def upload(self, content, name='in.mp4', **headers):
        """Upload a file as a browser does; status and content of the answer."""
        head = f'--edge\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
        data = head.encode() + content + b'\r\n--edge--\r\n'
        headers['Content-Type'] = 'multipart/form-data; boundary=edge'
        status, _, answer = self.ask('/gradio_api/upload', data, **headers)
        return status, answer


@pytest.fixture(scope='module')
def server(weights, tmp_path_factory):
    server = Server(tmp_path_factory.mktemp('server'), weights)
    yield server
    server.end(signal.SIGTERM, 143)


@needs_gradio
def test_who_is_served_what(server, weights):
    # This computer alone, under its own name. Linux has 127.0.0.2 as well, where a server for all would answer.
    with socket.socket() as other, pytest.raises(ConnectionRefusedError):
        other.connect(('127.0.0.2', server.port))
    assert server.ask('/', Host='example.org')[0] == 403
    for origin in ('http://example.org', 'http://127.0.0.1:1', 'null'):
        assert server.upload(b'video', Origin=origin)[0] == 403
    assert server.upload(b'video', Origin=server.address)[0] == 200
    status, headers, page = server.ask('/')
    assert status == 200 and b'Face restoration' in page
    assert headers['Content-Security-Policy'].startswith("default-src 'self';")
    # Files that were uploaded, by who knows where they are, and no others.
    status, answer = server.upload(b'video')
    (file,) = map(Path, json.loads(answer))
    assert status == 200 and server.ask(f'/gradio_api/file={file}')[2] == b'video'
    own = file.relative_to(file.parents[1])
    assert file.parents[1].name.startswith('basicsr-ui-')
    for other in (weights, '/etc/passwd', f'{file.parents[1]}/../../etc/passwd', Path(__file__), 'net_g.pth', own):
        for path in (f'file={other}', f'file/{other}'):
            assert server.ask(f'/gradio_api/{path}')[0] == 404, path
    assert server.ask('/gradio_api/file=http://127.0.0.1/')[0] == 404
    assert server.ask('/gradio_api/file=%2e%2e/%2e%2e/etc/passwd')[0] == 404
    # No videos above the limit, of which nothing stays.
    status, answer = server.upload(bytes(MAX_SIZE + 1))
    assert status == 413 and b'maximum allowed size' in answer
    assert [path for path in file.parents[1].rglob('*') if path.is_file()] == [file]


@pytest.fixture
def page(server):
    """The page in a browser, which collects in `hosts` whom it asks."""
    if BROWSER is None:
        pytest.skip('there is no Chromium')
    playwright = pytest.importorskip('playwright.sync_api')
    with playwright.sync_playwright() as drivers:
        browser = drivers.chromium.launch(
            executable_path=BROWSER, args=['--no-sandbox', '--disable-gpu', '--disable-dev-shm-usage']
        )
        page = browser.new_page()
        page.set_default_timeout(40_000)
        page.hosts, page.faults = set(), []
        page.on('request', lambda request: page.hosts.add(urlsplit(request.url).netloc))
        page.on('pageerror', lambda fault: page.faults.append(fault))
        page.goto(server.address)
        yield page
        browser.close()


@needs_gradio
def test_from_upload_to_download(page, server, tmp_path):
    scene = scenes()[0]
    source = write_video(tmp_path / 'two faces.mp4', [scene.frame(n) for n in range(FRAMES)], 25, audio='aac')
    upload, restore = page.locator('#upload input[type=file]'), page.get_by_role('button', name='Restore the video')

    upload.set_input_files({'name': 'notes.mp4', 'mimeType': 'video/mp4', 'buffer': b'no video'})
    page.get_by_role('alert').get_by_text(re.compile('^notes.mp4 is not a video')).wait_for()
    assert not restore.is_visible()

    upload.set_input_files(write_video(tmp_path / 'long.mp4', [scene.frame(0)] * 400, 25))
    page.get_by_text('of 400 frames').wait_for()
    page.get_by_role('button', name='Cancel').click()
    page.get_by_text('Cancelled.').wait_for()
    assert not restore.is_visible()

    upload.set_input_files(source)
    page.get_by_text('2 faces in two faces.mp4: 320×180 pixels').wait_for()
    faces = page.get_by_role('checkbox', name=re.compile('Face \\d'))
    assert [face.is_checked() for face in faces.all()] == [True, True]
    assert all('data:image/jpeg' in image for image in backgrounds_of(page))
    page.get_by_role('checkbox', name='Face 2').uncheck()

    page.get_by_role('button', name='Preview').click()
    page.get_by_text(f'Preview: {FRAMES} frames restored').wait_for()
    images = page.locator('#slider img')
    images.nth(1).wait_for()
    page.wait_for_function("[...document.querySelectorAll('#slider img')].every(image => image.naturalWidth == 320)")

    restore.click()
    page.get_by_text(f'Done: {FRAMES} frames restored').wait_for()
    assert page.get_by_text('1 face in 8 of 8 frames restored').is_visible()
    with page.expect_download() as download:
        page.get_by_role('button', name='Download two faces_restored.mp4').click()
    assert download.value.suggested_filename == 'two faces_restored.mp4'
    download.value.save_as(tmp_path / 'out.mp4')
    assert audio_packets(tmp_path / 'out.mp4') == audio_packets(source)
    chosen, other = changes_of_faces(scene, source, tmp_path / 'out.mp4')
    assert chosen > 10 * other

    page.wait_for_function("document.querySelector('#player video').videoWidth == 320")
    folder = Path(unquote(page.locator('#player video').get_attribute('src')).partition('=')[2]).parents[1]
    assert source.name in [file.name for file in folder.iterdir()]
    assert len([*folder.parent.rglob('*_restored.mp4')]) == 1

    page.get_by_role('radio', name='Whole frames').check()
    faces.first.wait_for(state='hidden')
    page.get_by_role('button', name='Preview').click()
    page.get_by_text(f'Preview: {FRAMES} frames restored').wait_for()
    assert not page.get_by_text('faces in').or_(page.get_by_text('Strength')).is_visible()

    assert page.hosts == {urlsplit(server.address).netloc} and page.faults == []
    page.close()
    while folder.exists():
        time.sleep(0.1)


def backgrounds_of(page):
    """Images of the labels of the checkboxes."""
    return page.evaluate(
        "[...document.querySelectorAll('#faces [data-testid=checkbox-group] label')]"
        ".map(label => getComputedStyle(label, '::before').backgroundImage)"
    )


def changes_of_faces(scene, source, path):
    """By how much the middle of each actor's face is changed in the first frame, in code values."""
    before, after = frames_of(source), frames_of(path)
    assert len(after) == len(before) == FRAMES
    changes = []
    for square, _ in scene.truth(0).values():
        x, y, half = round(square.x), round(square.y), round(square.size / 5)
        inside = slice(y - half, y + half), slice(x - half, x + half)
        changes.append(np.abs(after[0][inside] - before[0][inside]).mean())
    return changes


def frames_of(path):
    with av.open(str(path)) as container:
        return [frame.to_ndarray(format='rgb24').astype(float) for frame in container.decode(video=0)]


@needs_gradio
def test_nothing_stays_after_ctrl_c(weights, tmp_path):
    Server(tmp_path, weights).end(signal.SIGINT, 130)


def test_without_gradio(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, 'gradio', None)
    assert run_command(['ui', '--weights', 'w.pth']) == 2
    assert capsys.readouterr().err == 'basicsr: the page needs Gradio: pip install "pgtf-basicsr[ui]"\n'


@needs_gradio
def test_mistakes_are_reported_before_there_is_a_page(weights, tmp_path):
    with socket.create_server(('127.0.0.1', 0)) as other:
        port = other.getsockname()[1]
        output = run(tmp_path, 'ui', '--weights', weights, '--port', port, status=2)
    assert output.startswith(f'basicsr: cannot listen on port {port}: ') and output.count('\n') == 1
    output = run(tmp_path, 'ui', '--weights', 'none.pth', '--port', 0, status=2)
    assert output.startswith('basicsr: ') and 'none.pth' in output and output.count('\n') == 1


@pytest.mark.parametrize('text', ['0GB', '4', '4TB', 'GB', '-1GB'])
def test_what_is_not_a_size(text, capsys):
    with pytest.raises(SystemExit):
        run_command(['ui', '--weights', 'w.pth', f'--max-size={text}'])
    assert f'must be a size such as 500MB or 4GB, not {text}' in capsys.readouterr().err
