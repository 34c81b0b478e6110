"""Client connections: aiohttp's, with flow control by callback and JSON for requests that are no HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from ..errors import BadRequest, ExchangeError, InternalError
from ..reply import Reply


class Connection(RequestHandler):
    """One client connection. `on_pause` and `on_resume` are called when its client stops and starts reading."""

    __slots__ = ("on_pause", "on_resume")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.on_pause: Callable[[], None] | None = None
        self.on_resume: Callable[[], None] | None = None

    def pause_writing(self) -> None:
        """The client does not keep up: tells the stream's source to stop."""
        super().pause_writing()
        if self.on_pause is not None:
            self.on_pause()

    def resume_writing(self) -> None:
        """The client has caught up: tells the stream's source to go on."""
        super().resume_writing()
        if self.on_resume is not None:
            self.on_resume()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answers what is no HTTP request, or what escaped a handler, with the API's error object; then closes."""
        if status >= 500:
            self.logger.error("a request handler failed", exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("The answer has begun already.")
        error: ExchangeError
        if status < 500:
            error = BadRequest(f"This is no valid HTTP request: {_first_line(message or str(exc))}", status=status)
        else:
            error = InternalError("Penstock failed on this request; its log says why.", status=status)
        reply = Reply.from_error(error)
        response = web.Response(status=reply.status, body=reply.body, headers=reply.headers)
        response.force_close()
        return response


class Server(web.Server):
    """Makes a `Connection` for each client; a client that leaves cancels its handler."""

    def __init__(self, handler: Callable[..., Any], **options: Any) -> None:
        super().__init__(handler, handler_cancellation=True)
        self._options = options

    def __call__(self) -> RequestHandler:
        return Connection(self, loop=asyncio.get_running_loop(), **self._options)


def _first_line(message: str) -> str:
    return message.strip().partition("\n")[0][:200]
