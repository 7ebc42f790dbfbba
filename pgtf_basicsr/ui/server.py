"""The server of the page: for this computer alone, with files that go when it ends.

Gradio and what it brings along are an extra, so they are imported when a page is served.
"""

import os
import socket
import tempfile
from collections.abc import Callable, MutableMapping
from contextlib import closing
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..restoration.whole_video import Restorer
from .sessions import Sessions

__all__ = ['serve']

HOST = '127.0.0.1'
# As what browsers know it. A page of another server whose name leads here is refused.
NAMES = [HOST, 'localhost']
# Browsers load nothing from other servers for the page, and show it in no page of others.
POLICY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
# Where Gradio serves files: by their paths, or streams from other servers by their addresses.
FILES = '/gradio_api/file'
# Seconds that open pages may take to notice that the server ends.
GRACE = 1


def serve(restorer: Restorer, port: int, max_size: int, started: Callable[[str], object]) -> None:
    """Serve the page to this computer's browsers until the process is told to end.

    Args:
        restorer (Restorer): Restores the videos.
        port (int): Port of 127.0.0.1; 0 is any that is free.
        max_size (int): Bytes of the largest video that is taken.
        started (Callable): Called with the address of the page as soon as browsers can connect.

    Raises:
        UserError: The port is in use.
    """
    with closing(_listen(port)) as listener, tempfile.TemporaryDirectory(prefix='basicsr-ui-') as folder:
        root = Path(folder).resolve()
        # Gradio takes uploads to the first and serves no others. It reads all three when it is imported.
        os.environ |= {
            'GRADIO_TEMP_DIR': str(root),
            'GRADIO_EXAMPLES_CACHE': str(root),
            'GRADIO_ANALYTICS_ENABLED': 'False',
        }
        import uvicorn

        with Sessions(root) as sessions:
            app = _application(restorer, sessions, root, max_size)
            started(f'http://{HOST}:{listener.getsockname()[1]}')
            config = uvicorn.Config(app, log_level='critical', timeout_graceful_shutdown=GRACE)
            uvicorn.Server(config).run(sockets=[listener])


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((HOST, port))
    except (OSError, OverflowError) as error:
        raise UserError(f'cannot listen on port {port}: {error}; choose another with --port, or 0 for any') from error


def _application(restorer: Restorer, sessions: Sessions, root: Path, max_size: int) -> Any:
    import gradio
    from fastapi import FastAPI
    from fastapi.middleware import Middleware
    from fastapi.middleware.trustedhost import TrustedHostMiddleware

    from .page import STYLES, Page, theme

    guards = [Middleware(TrustedHostMiddleware, allowed_hosts=NAMES), Middleware(_Guard, root=root)]
    return gradio.mount_gradio_app(
        FastAPI(docs_url=None, redoc_url=None, openapi_url=None, middleware=guards),
        Page(restorer, sessions, max_size).blocks,
        '/',
        max_file_size=max_size,
        show_error=True,
        footer_links=[],
        run_history=False,
        enable_monitoring=False,
        ssr_mode=False,
        pwa=False,
        mcp_server=False,
        theme=theme(),
        css_paths=STYLES,
    )


class _Guard:
    """Middleware: serves files below one folder only, and tells browsers to fetch nothing from elsewhere."""

    def __init__(self, app: Any, root: Path):
        self._app, self._root = app, root

    async def __call__(self, scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        if scope['type'] != 'http':
            await self._app(scope, receive, send)
            return
        from fastapi.responses import PlainTextResponse

        async def send_with_policy(message: MutableMapping[str, Any]) -> None:
            if message['type'] == 'http.response.start':
                message['headers'] = [*message['headers'], (b'content-security-policy', POLICY.encode())]
            await send(message)

        app = self._app if self._is_open(scope['path']) else PlainTextResponse('There is no such file.', 404)
        await app(scope, receive, send_with_policy)

    def _is_open(self, path: str) -> bool:
        if not path.startswith(FILES):
            return True
        return Path(path[len(FILES) + 1 :]).resolve().is_relative_to(self._root)
