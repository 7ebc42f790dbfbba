"""Weights by their names on the Hugging Face Hub: from the disk, from its cache, from a server."""

import hashlib
import json
import sys
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import torch
from huggingface_hub import constants

from pgtf_basicsr.checkpoints import state_dict
from pgtf_basicsr.errors import UserError
from pgtf_basicsr.export.exporting import export
from pgtf_basicsr.export.info.description import describe
from pgtf_basicsr.hub import find_weights
from pgtf_basicsr.video import VideoReader

from .helpers.crops import CROP
from .helpers.processes import run
from .helpers.small_networks import PGTFormer, build, write
from .helpers.videos import moving_frames, write_video

COMMIT = '0123456789abcdef0123456789abcdef01234567'


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache of the Hub's, with no connection to it, in an empty folder."""
    monkeypatch.setattr(constants, 'HF_HUB_CACHE', str(tmp_path / 'home' / 'hub'))
    monkeypatch.setattr(constants, 'HF_HUB_OFFLINE', True)
    (tmp_path / 'here').mkdir()
    monkeypatch.chdir(tmp_path / 'here')
    return tmp_path / 'home' / 'hub'


def put(cache, hub_id, file, contents):
    """Put a file into a cache as huggingface_hub does."""
    folder = cache / f'models--{hub_id.replace("/", "--")}'
    blob, named = folder / 'blobs' / hashlib.sha256(contents).hexdigest(), folder / 'snapshots' / COMMIT / file
    for path in (blob, named, folder / 'refs' / 'main'):
        path.parent.mkdir(parents=True, exist_ok=True)
    blob.write_bytes(contents)
    named.symlink_to(blob)
    (folder / 'refs' / 'main').write_text(COMMIT)
    return named


def refusal(name, *complaints):
    with pytest.raises(UserError) as caught:
        find_weights(name)
    message = str(caught.value)
    assert '\n' not in message
    for complaint in complaints:
        assert complaint in message
    return message


def test_what_is_in_the_cache_needs_no_connection(cache):
    published = put(cache, 'kepeng/pgtformer-base', 'model.safetensors', b'1')
    other = put(cache, 'someone/some.net', 'models/net_g.pth', b'2')
    assert find_weights('kepeng/pgtformer-base') == published
    assert find_weights('kepeng/pgtformer-base/model.safetensors') == published
    assert find_weights('someone/some.net/models/net_g.pth') == other


def test_info_and_export_take_them(cache, tmp_path):
    weights = write(tmp_path / 'net_g.pth', PGTFormer, params=build(PGTFormer).state_dict())
    put(cache, 'someone/net', 'net_g.pth', weights.read_bytes())
    assert describe('someone/net/net_g.pth').facts['names'] == 'own'
    export('someone/net/net_g.pth', tmp_path / 'net.safetensors')
    exported, original = state_dict(tmp_path / 'net.safetensors'), state_dict(weights)
    assert exported.keys() == original.keys() and all(torch.equal(exported[name], original[name]) for name in original)


def test_files_win(cache):
    put(cache, 'someone/net', 'model.safetensors', b'1')
    put(cache, 'someone/net', 'net_g.pth', b'2')
    here = cache.parents[1] / 'here'
    (here / 'someone').mkdir()
    (here / 'someone' / 'net').write_text('mine')
    assert find_weights('someone/net').read_text() == 'mine'


@pytest.mark.parametrize(
    'name',
    [
        'net_g.pth',
        'weights/net_g.pth',
        './someone/net',
        '/someone/net',
        '../someone/net',
        'experiments/stage3/models/net_g_latest.pth',
        'someone/net/README.md',
        'missing/',
    ],
)
def test_what_cannot_be_on_the_hub_is_not_looked_for_there(name, cache, monkeypatch):
    (cache.parents[1] / 'here' / 'experiments').mkdir()
    monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
    assert str(find_weights(name)) == name.removesuffix('/').removeprefix('./')


def test_what_is_nowhere_is_a_line_with_the_places(cache):
    here = cache.parents[1] / 'here'
    put(cache, 'someone/net', 'net_g.pth', b'2')
    for name in ('someone/net', 'someone/net/other.pth', 'someone/else'):
        refusal(name, f'no file or folder {name} ', str(here / name), str(cache), 'HF_HUB_OFFLINE is set; unset it, or')


def test_without_huggingface_hub_the_extra_is_named(cache, monkeypatch):
    monkeypatch.setitem(sys.modules, 'huggingface_hub', None)
    refusal('someone/net', 'no file or folder someone/net', 'pip install "pgtf-basicsr[hub]"')


@contextmanager
def serving(files):
    """Serve a model as the Hub does; provides the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self):
            self.do_GET()

        def do_GET(self):
            file = self.path.removeprefix('/someone/net/resolve/main/')
            if self.path.startswith('/api/models/someone/net/tree/'):
                entries = [
                    dict(type='file', path=name, size=len(contents), oid=COMMIT) for name, contents in files.items()
                ]
                self.answer(200, json.dumps(entries).encode(), {'Content-Type': 'application/json'})
            elif self.path.startswith('/api/models/someone/net'):
                siblings = [dict(rfilename=name) for name in files]
                model = dict(_id='1', id='someone/net', modelId='someone/net', sha=COMMIT, siblings=siblings)
                self.answer(200, json.dumps(model).encode(), {'Content-Type': 'application/json'})
            elif file in files:
                self.answer(200, files[file], {'ETag': f'"{hashlib.sha256(files[file]).hexdigest()}"'})
            else:
                known = 'EntryNotFound' if '/someone/net/' in self.path else 'RepoNotFound'
                self.answer(404, b'', {'X-Error-Code': known, 'X-Error-Message': 'not found'})

        def answer(self, status, contents, headers):
            self.send_response(status)
            for name, value in {'X-Repo-Commit': COMMIT, 'Content-Length': str(len(contents)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == 'GET':
                self.wfile.write(contents)

        def log_message(self, *args):
            pass

    with ThreadingHTTPServer(('127.0.0.1', 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={'poll_interval': 0.01})
        thread.start()
        try:
            yield f'http://127.0.0.1:{server.server_port}'
        finally:
            server.shutdown()
            thread.join()


def test_restoring_fetches_once_and_says_so(tmp_path):
    net = build(PGTFormer)
    weights = write(tmp_path / 'net_g.pth', PGTFormer, params=net.state_dict())
    source = write_video(tmp_path / 'in.mp4', moving_frames(3, 32, 32), 25)

    def restore(output, name, status=0, **environment):
        return run(tmp_path, 'restore', source, '-o', output, '--weights', name, *CROP, status=status, **environment)

    restore('expected.mp4', weights)
    home = str(tmp_path / 'home')
    with serving({'net_g.pth': weights.read_bytes(), 'README.md': b''}) as address:
        here = dict(HF_HOME=home, HF_ENDPOINT=address, NO_PROXY='127.0.0.1', no_proxy='127.0.0.1')
        name = 'someone/net/net_g.pth'
        assert 'Fetching net_g.pth of someone/net from the Hugging Face Hub to ' in restore('first.mp4', name, **here)
        told = restore('none.mp4', 'someone/net', 2, **here)
        assert 'someone/net has no such file, but someone/net/net_g.pth' in told
        assert 'it cannot be fetched' in restore('none.mp4', 'no/body', 2, **here)
    # The server is gone.
    assert 'Fetching' not in restore('second.mp4', name, **here)
    assert not (tmp_path / 'none.mp4').exists()
    expected, *others = (read(tmp_path / name) for name in ('expected.mp4', 'first.mp4', 'second.mp4'))
    assert others == [expected, expected]


def read(path):
    with VideoReader(path) as reader:
        return [frame.image.tobytes() for frame in reader]
