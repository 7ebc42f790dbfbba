"""What the server of the page answers, and to whom."""

from collections.abc import Awaitable, Callable, Collection, MutableMapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

__all__ = ['Guard']

# Browsers load nothing from other servers for the page, and show it in no page of others.
POLICY = (
    b"default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    b"img-src 'self' data: blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
# Where Gradio serves files by their paths, and those of other servers by their addresses.
FILES = '/gradio_api/file'

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]


class Guard:
    """ASGI middleware: answers to pages of its own alone, and serves them files of one folder.

    A page of another server reaches it under a name that is not its own, or tells where it comes from.

    Args:
        app (Callable): What answers the rest.
        names (Collection[str]): Names of this server.
        root (Path): The folder.
    """

    def __init__(self, app: App, names: Collection[str], root: Path):
        self._app, self._names, self._root = app, names, root

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope['type'] != 'http':
            await self._app(scope, receive, send)
            return
        from fastapi.responses import PlainTextResponse

        async def send_with_policy(message: Message) -> None:
            if message['type'] == 'http.response.start':
                message['headers'] = [*message['headers'], (b'content-security-policy', POLICY)]
            await send(message)

        app = self._app
        if not self._is_own(dict(scope['headers'])):
            app = PlainTextResponse('This page is for browsers of this computer.', 403)
        elif not self._is_open(scope['path']):
            app = PlainTextResponse('There is no such file.', 404)
        await app(scope, receive, send_with_policy)

    def _is_own(self, headers: dict[bytes, bytes]) -> bool:
        host = headers.get(b'host', b'').decode('latin-1')
        origin = headers.get(b'origin', b'').decode('latin-1')
        return urlsplit(f'//{host}').hostname in self._names and (not origin or urlsplit(origin).netloc == host)

    def _is_open(self, path: str) -> bool:
        if not path.startswith(FILES):
            return True
        return Path(path[len(FILES) + 1 :]).resolve().is_relative_to(self._root)
