"""Sends the body of a request that comes piece by piece, no faster than the upstream takes it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .client import Upload


class Pouring:
    """One body on its way. `put` hands bytes to the transport; `on_end` is told how it ended: None, or by what.

    Between `hold` and `go` nothing is handed over, so that what waits is one piece at most.
    """

    def __init__(
        self, upload: Upload, put: Callable[[bytes], None], on_end: Callable[[Exception | None], None]
    ) -> None:
        self._upload = upload
        self._put = put
        self._on_end = on_end
        self._free = asyncio.Event()
        self._free.set()
        self._task = asyncio.get_running_loop().create_task(self._run())

    def hold(self) -> None:
        """The upstream does not keep up."""
        self._free.clear()

    def go(self) -> None:
        """The upstream has taken what there was."""
        self._free.set()

    def stop(self) -> None:
        """Sends nothing more, and tells nobody."""
        if self._task is not asyncio.current_task():
            self._task.cancel()

    async def _run(self) -> None:
        error: Exception | None = None
        try:
            await self._pour()
        except Exception as raised:  # whatever the source of the pieces ends in ends the request
            error = raised
        self._on_end(error)

    async def _pour(self) -> None:
        put, chunked = self._put, self._upload.length is None
        async for piece in self._upload.pieces:
            if not self._free.is_set():
                await self._free.wait()
            if piece:  # an empty chunk would be the end
                put(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
        if chunked:
            put(b"0\r\n\r\n")
