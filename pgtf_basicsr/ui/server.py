"""The server of the page: for this computer alone, with files that go when it ends.

Gradio and what it brings along are an extra, so they are imported when a page is served.
"""

import os
import socket
import tempfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from ..errors import UserError
from ..restoration.whole_video import Restorer
from .guard import Guard
from .sessions import Sessions

__all__ = ['serve']

HOST = '127.0.0.1'
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

    from .page import STYLES, Page, theme

    guard = Middleware(Guard, names=[HOST, 'localhost'], root=root)
    return gradio.mount_gradio_app(
        FastAPI(docs_url=None, redoc_url=None, openapi_url=None, middleware=[guard]),
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
