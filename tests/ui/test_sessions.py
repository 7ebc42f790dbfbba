"""Open pages: their files, and what runs for them."""

import shutil
import threading

import pytest

from pgtf_basicsr.errors import UserError
from pgtf_basicsr.restoration.reports import RESTORATION, Outcome, Progress
from pgtf_basicsr.ui.progress import Stopped
from pgtf_basicsr.ui.sessions import Sessions


def until_stopped(report):
    """Work without an end."""
    while True:
        report.advance(Outcome('in', 'out'), Progress(RESTORATION, 1, 1.0))


@pytest.fixture
def upload(tmp_path):
    """A video as the server has taken it."""
    file = tmp_path / 'hash' / 'in.mp4'
    file.parent.mkdir()
    file.write_bytes(b'video')
    return file


def test_files_go_with_their_page(tmp_path, upload):
    with Sessions(tmp_path) as sessions:
        one, other = sessions.open('one'), sessions.open('other')
        assert sessions.open('one') is one and one.folder != other.folder
        video = one.take(upload)
        assert video.read_bytes() == b'video' and not upload.exists()
        sessions.close('one')
        sessions.close('never there')
        sessions.start(other, lambda report: None).future.result()
        assert not one.folder.exists() and other.folder.exists()
        (tmp_path / 'of an upload that was broken off').touch()
        sessions.close('other')
    assert list(tmp_path.iterdir()) == []


def test_a_video_takes_the_place_of_the_one_before(tmp_path, upload):
    with Sessions(tmp_path) as sessions:
        session = sessions.open('page')
        with pytest.raises(UserError, match='the video is gone; drop it again'):
            session.begin()
        again = shutil.copy(upload, tmp_path / 'again.mp4')
        session.take(upload)
        folder, video = session.begin()
        (folder / 'out.mp4').touch()
        assert video == session.folder / 'in.mp4' and list(session.begin()[0].iterdir()) == []
        session.take(again)
        assert [file.name for file in session.folder.iterdir()] == ['again.mp4']
        with pytest.raises(UserError, match='in.mp4 did not arrive; drop it again'):
            session.take(upload)


def test_a_page_does_one_thing_at_a_time_until_it_is_stopped(tmp_path, upload):
    with Sessions(tmp_path) as sessions:
        session = sessions.open('page')
        work = sessions.start(session, until_stopped)
        for again in (lambda: sessions.start(session, until_stopped), lambda: session.take(upload), session.begin):
            with pytest.raises(UserError, match='at work'):
                again()
        session.stop()
        assert isinstance(work.future.exception(), Stopped)
        assert sessions.start(session, lambda report: 7).future.result() == 7


def test_pages_wait_for_each_other(tmp_path):
    running, goes_on = threading.Event(), threading.Event()

    def first(report):
        running.set()
        goes_on.wait()
        return threading.get_ident()

    with Sessions(tmp_path) as sessions:
        one = sessions.start(sessions.open('one'), first)
        other = sessions.start(sessions.open('other'), lambda report: threading.get_ident())
        third = sessions.start(sessions.open('third'), lambda report: None)
        running.wait()
        assert not other.future.done()
        sessions.close('third')
        goes_on.set()
        assert one.future.result() == other.future.result()
        assert isinstance(third.future.exception(), Stopped)


def test_the_end_stops_all_that_runs(tmp_path):
    with Sessions(tmp_path) as sessions:
        works = [sessions.start(sessions.open(str(number)), until_stopped) for number in range(3)]
    assert all(isinstance(work.future.exception(), Stopped) for work in works)
