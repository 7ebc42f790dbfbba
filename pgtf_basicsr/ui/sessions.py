"""Open pages: each has a folder for its files and one piece of work at a time, and both end with the page."""

import secrets
import shutil
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any

from ..errors import UserError, require
from .progress import PageReport, Stopped

__all__ = ['Session', 'Sessions', 'Work']

BUSY = 'this page is at work; cancel that first'


class Work:
    """What runs for a page in the thread of `Sessions`.

    Attributes:
        report (PageReport): What it reports.
        future (Future): What comes of it; `Stopped` where it was asked to stop.
    """

    def __init__(self, thread: ThreadPoolExecutor, run: Callable[[PageReport], Any]):
        self.report = PageReport()
        self._run = run
        self.future: Future[Any] = thread.submit(self._begin)

    def _begin(self) -> Any:
        if self.report.stopping:
            raise Stopped
        return self._run(self.report)


class Session:
    """An open page.

    Args:
        folder (Path): For its files. Its name is a secret: a browser that does not know it can fetch none of them.

    Attributes:
        folder (Path): The folder.
        video (Path | None): The video that was uploaded last.
        faces (list[int]): Numbers of its faces that the page shows.
        work (Work | None): What runs for the page, or ran last.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.video: Path | None = None
        self.faces: list[int] = []
        self.work: Work | None = None
        folder.mkdir()

    @property
    def busy(self) -> bool:
        """Whether something runs for the page."""
        return self.work is not None and not self.work.future.done()

    def take(self, upload: Path) -> Path:
        """Move an uploaded video to the folder, in place of an earlier one and its results.

        Raises:
            UserError: Something runs for the page, or the upload is gone.
        """
        self.clear()
        try:
            self.video = upload.rename(self.folder / upload.name)
        except OSError as error:
            raise UserError(f'{upload.name} did not arrive; drop it again') from error
        return self.video

    def clear(self) -> None:
        """Remove the video and all that came of it.

        Raises:
            UserError: Something runs for the page.
        """
        require(not self.busy, BUSY)
        self.video, self.faces = None, []
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir(exist_ok=True)

    def begin(self) -> tuple[Path, Path]:
        """Make a folder for results, in place of earlier ones.

        Returns:
            tuple[Path, Path]: The folder, and the video.

        Raises:
            UserError: Something runs for the page, or it has no video.
        """
        require(not self.busy, BUSY)
        if self.video is None:
            raise UserError('the video is gone; drop it again')
        folder = self.folder / 'results'
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir()
        return folder, self.video

    def stop(self) -> None:
        """Ask what runs for the page to stop."""
        if self.work is not None:
            self.work.report.stop()


class Sessions:
    """The open pages, to use inside ``with``.

    All that they compute runs in one thread, one piece after the other: one network fills the machine, and in a
    second thread torch would start a second set of its own.

    Args:
        root (Path): A folder for theirs, which nothing else uses but the server that takes uploads.
    """

    def __init__(self, root: Path):
        self._root = root
        self._sessions: dict[str, Session] = {}
        self._thread = ThreadPoolExecutor(1, thread_name_prefix='restoration')

    def __enter__(self) -> 'Sessions':
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for session in self._sessions.values():
            session.stop()
        self._thread.shutdown()

    def open(self, key: str) -> Session:
        """The session of a page, which begins when it is first asked for."""
        if key not in self._sessions:
            self._sessions[key] = Session(self._root / secrets.token_urlsafe())
        return self._sessions[key]

    def close(self, key: str) -> None:
        """End the session of a page: its work stops, then its files are removed."""
        session = self._sessions.pop(key, None)
        if session is not None:
            session.stop()
            self._thread.submit(self._remove, session.folder)

    def start(self, session: Session, run: Callable[[PageReport], Any]) -> Work:
        """Run something for a page, once what others have started before is done.

        Raises:
            UserError: Something runs for the page.
        """
        require(not session.busy, BUSY)
        session.work = Work(self._thread, run)
        return session.work

    def _remove(self, folder: Path) -> None:
        shutil.rmtree(folder, ignore_errors=True)
        if not self._sessions:
            # Uploads whose page was closed before they were complete.
            for rest in self._root.iterdir():
                shutil.rmtree(rest, ignore_errors=True) if rest.is_dir() else rest.unlink(missing_ok=True)
