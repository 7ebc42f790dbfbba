"""The page: a video is dropped, its faces are found and chosen, settings are tried, and the video is restored."""

import asyncio
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path
from typing import Any

import gradio as gr
from basicsr.utils import get_root_logger

from ..errors import UserError, require
from ..restoration.settings import CROP
from ..restoration.whole_video import Restorer
from .fragments import guide, message, player, progress_bar, size_text, tile_styles
from .progress import PageReport, Stopped
from .sessions import Session, Sessions
from .tasks import PREVIEW_SECONDS, Choice, Faces, Preview, Result, find_faces, make_preview, restore

__all__ = ['STYLES', 'Page', 'theme']

STYLES = Path(__file__).with_name('page.css')
# Seconds from one look at the progress to the next.
INTERVAL = 0.4
# What is restored: faces that were found, or CROP.
FOUND = 'found'
# The element whose checkboxes show the faces.
FACES = 'faces'

# Of HTML that answers no clicks and has styles of its own.
PLAIN: dict[str, Any] = {'js_on_load': None, 'apply_default_css': False}

Updates = dict[Any, Any]
Task = Callable[[PageReport], Any]


def theme() -> gr.themes.Base:
    """Gradio's own theme, with fonts of the reader's system."""
    plain = gr.themes.Default(
        primary_hue='indigo', font=['system-ui', 'sans-serif'], font_mono=['ui-monospace', 'monospace']
    )
    # Gradio's own greys of titles and notes are too light to be read easily, its white knobs are not seen on white.
    return plain.set(
        block_title_text_color='*body_text_color',
        body_text_color_subdued='*neutral_600',
        body_text_color_subdued_dark='*neutral_400',
        block_info_text_color='*neutral_600',
        block_info_text_color_dark='*neutral_400',
    )


class Page:
    """The page, and what its buttons do.

    Args:
        restorer (Restorer): Restores the videos.
        sessions (Sessions): What open pages own.
        max_size (int): Bytes of the largest video that is taken.

    Attributes:
        blocks (Blocks): What Gradio shows.
    """

    def __init__(self, restorer: Restorer, sessions: Sessions, max_size: int):
        self._restorer, self._sessions = restorer, sessions
        with gr.Blocks(title='Face restoration', analytics_enabled=False) as self.blocks:
            gr.HTML(
                '<h1>Restore the faces of a video</h1>'
                '<p>Everything happens on this computer. What you drop here is deleted when you close the page.</p>',
                elem_id='head',
                **PLAIN,
            )
            with gr.Row():
                with gr.Column(scale=2, min_width=320):
                    self._add_controls(max_size)
                with gr.Column(scale=3, min_width=320):
                    self._add_results()
            self._connect()

    def _add_controls(self, max_size: int) -> None:
        defaults = self._restorer.settings
        self._upload = gr.File(label=f'Video, up to {size_text(max_size)}', height=140, elem_id='upload')
        with gr.Column(visible=False) as self._settings:
            self._area = gr.Radio(
                [('Faces', FOUND), ('Whole frames', CROP)],
                label='Restore',
                info='Whole frames: for a video that is cropped to one face.',
                elem_id='area',
            )
            self._tiles = gr.HTML(elem_id='tiles', **PLAIN)
            self._faces = gr.CheckboxGroup(label='Faces', show_select_all=True, elem_id=FACES)
            self._fidelity = gr.Slider(
                0,
                1,
                value=defaults.fidelity,
                step=0.05,
                label='Fidelity',
                info='Low: sharpest, with details that are invented. High: closest to the video.',
            )
            self._strength = gr.Slider(
                0,
                1,
                value=defaults.strength,
                step=0.05,
                label='Strength',
                info='How much of each restored face is blended into the video.',
            )
            self._stride = gr.Radio(
                [('Best', 1), ('Fast', self._restorer.net.num_frames)], value=defaults.stride, label='Quality'
            )
            with gr.Row():
                self._preview = gr.Button(f'Preview {PREVIEW_SECONDS} seconds', size='md', min_width=180)
                self._restore = gr.Button('Restore the video', variant='primary', size='md', min_width=180)

    def _add_results(self) -> None:
        self._status = gr.HTML(guide(), elem_id='status', **PLAIN)
        self._cancel = gr.Button('Cancel', visible=False, size='sm', elem_id='cancel')
        self._slider = gr.ImageSlider(
            label='Before and after', visible=False, format='png', buttons=['fullscreen'], elem_id='slider'
        )
        self._player = gr.HTML(visible=False, elem_id='player', **PLAIN)
        self._download = gr.DownloadButton('Download', visible=False, variant='primary', elem_id='download')

    def _connect(self) -> None:
        controls = [self._upload, self._settings, self._area, self._tiles, self._faces, self._strength]
        results = [self._status, self._cancel, self._slider, self._player, self._download]
        shown = [*controls, self._preview, self._restore, *results]
        chosen = [self._area, self._faces, self._fidelity, self._strength, self._stride]
        # Sessions run one thing after the other, and the page shows the progress itself.
        options: dict[str, Any] = dict(show_progress='hidden', concurrency_limit=None, api_visibility='private')
        self.blocks.load(self._open, **options)
        self.blocks.unload(self._close)
        self._upload.upload(self._take, self._upload, shown, **options)
        self._upload.clear(self._clear, None, shown, **options)
        self._area.change(self._show_choice, self._area, [self._faces, self._strength], **options)
        self._preview.click(self._try, chosen, shown, **options)
        self._restore.click(self._restore_all, chosen, shown, **options)
        self._cancel.click(self._stop, **options)

    # ------------------------------------------------------------------------------ what happens

    def _open(self, request: gr.Request) -> None:
        self._session(request)

    def _close(self, request: gr.Request) -> None:
        self._sessions.close(str(request.session_hash))

    def _stop(self, request: gr.Request) -> None:
        self._session(request).stop()

    def _clear(self, request: gr.Request) -> Updates:
        session = self._session(request)
        if session.busy:
            return {self._status: gr.skip()}
        session.clear()
        return {**self._no_results(), self._settings: gr.update(visible=False), self._status: guide()}

    async def _take(self, request: gr.Request, upload: str) -> AsyncIterator[Updates]:
        session = self._session(request)
        again = {self._upload: gr.update(value=None, interactive=True)}

        def prepare() -> Task:
            return partial(find_faces, self._restorer, session.take(Path(upload)))

        async for updates in self._run(session, prepare, self._show_faces, again):
            yield {self._settings: gr.update(visible=False), **updates}

    async def _try(self, request: gr.Request, *chosen: Any) -> AsyncIterator[Updates]:
        session = self._session(request)
        prepare = partial(self._prepare, make_preview, session, *chosen)
        async for updates in self._run(session, prepare, self._show_preview, {}):
            yield updates

    async def _restore_all(self, request: gr.Request, *chosen: Any) -> AsyncIterator[Updates]:
        session = self._session(request)
        prepare = partial(self._prepare, restore, session, *chosen)
        async for updates in self._run(session, prepare, self._show_result, {}):
            yield updates

    def _prepare(self, task: Callable[..., Any], session: Session, area: str, faces: list[int], *values: Any) -> Task:
        """Prepare `make_preview` or `restore` with what was chosen on the page.

        Raises:
            UserError: There is nothing to restore.
        """
        folder, video = session.begin()
        require(area == CROP or bool(faces), 'choose a face')
        selection = 'all' if len(faces) == len(session.faces) else ','.join(map(str, sorted(faces)))
        choice = Choice(CROP if area == CROP else selection, *values)
        return partial(task, self._restorer, video, folder, choice)

    async def _run(
        self, session: Session, prepare: Callable[[], Task], show: Callable[[Session, Any], Updates], failed: Updates
    ) -> AsyncIterator[Updates]:
        """Run something for a page; show how far it is, and at the end what came of it or why nothing did."""
        try:
            work = self._sessions.start(session, prepare())
        except UserError as error:
            yield {**failed, self._status: _reason(error, session)}
            return
        # Browsers pass over updates that come close together, so each is complete.
        before = self._no_results()
        while not work.future.done():
            status = progress_bar(work.report) if work.future.running() else message('Waiting for another page…')
            yield {**before, **self._busy(True), self._status: status}
            await asyncio.sleep(INTERVAL)
        try:
            ended = show(session, work.future.result())
        except Exception as error:
            ended = {**failed, self._status: _reason(error, session)}
        yield {**before, **self._busy(False), **ended}

    def _session(self, request: gr.Request) -> Session:
        return self._sessions.open(str(request.session_hash))

    # ------------------------------------------------------------------------------ what is shown

    def _busy(self, busy: bool) -> Updates:
        buttons = (self._upload, self._preview, self._restore)
        return {button: gr.update(interactive=not busy) for button in buttons} | {self._cancel: gr.update(visible=busy)}

    def _no_results(self) -> Updates:
        return {part: gr.update(visible=False) for part in (self._slider, self._player, self._download)}

    def _show_choice(self, area: str) -> Updates:
        """Show what only faces have."""
        return {part: gr.update(visible=area == FOUND) for part in (self._faces, self._strength)}

    def _show_faces(self, session: Session, found: Faces) -> Updates:
        session.faces = [face.number for face in found.faces]
        area = CROP if found.is_one_face or not found.faces else FOUND
        choices = [(face.label, face.number) for face in found.faces]
        return {
            self._settings: gr.update(visible=True),
            self._area: gr.update(value=area),
            self._tiles: tile_styles(FACES, [face.image for face in found.faces]),
            **self._show_choice(area),
            self._faces: gr.update(choices=choices, value=session.faces, visible=area == FOUND),
            self._status: message(found.summary, found.notes, kind='done'),
        }

    def _show_preview(self, session: Session, preview: Preview) -> Updates:
        return {
            self._slider: gr.update(value=(preview.before, preview.after), visible=True),
            self._player: gr.update(value=player(preview.result.video), visible=True),
            self._status: message(f'Preview: {preview.result.summary}', preview.result.notes, kind='done'),
        }

    def _show_result(self, session: Session, result: Result) -> Updates:
        return {
            self._player: gr.update(value=player(result.video), visible=True),
            self._download: gr.update(value=str(result.video), label=f'Download {result.video.name}', visible=True),
            self._status: message(f'Done: {result.summary}', result.notes, kind='done'),
        }


def _reason(error: Exception, session: Session) -> str:
    """Say why something has not come to its end."""
    if isinstance(error, Stopped):
        return message('Cancelled.')
    if isinstance(error, UserError):
        # A user knows the name of a video, not where it is.
        return message(str(error).replace(f'{session.folder}/', ''), kind='error')
    get_root_logger().error('What the page asked for has failed:', exc_info=error)
    return message('This has failed. The terminal that basicsr ui runs in says why.', kind='error')
