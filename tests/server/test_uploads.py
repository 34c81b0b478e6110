"""Bodies that are still coming when the server ends."""

from __future__ import annotations

import asyncio

import pytest

from proxy.errors import Overloaded
from proxy.server.uploads import Uploads

ENDS = Overloaded("The server is shutting down.")


async def body(there: asyncio.Event) -> bytes:
    await there.wait()
    return b"{}"


async def waiting(uploads: Uploads, there: asyncio.Event) -> asyncio.Task[bytes]:
    task = asyncio.ensure_future(uploads.whole(body(there)))
    while not len(uploads):
        await asyncio.sleep(0)
    return task


async def test_a_body_is_what_it_is_and_is_waited_for_no_longer() -> None:
    uploads, there = Uploads(), asyncio.Event()
    task = await waiting(uploads, there)
    there.set()
    assert await task == b"{}"
    assert not len(uploads)


async def test_one_that_is_cut_off_ends_in_the_error_and_so_does_one_that_comes_later() -> None:
    uploads, there = Uploads(), asyncio.Event()
    task = await waiting(uploads, there)
    uploads.cut_off(ENDS)
    with pytest.raises(Overloaded):
        await task
    there.set()
    with pytest.raises(Overloaded):
        await uploads.whole(body(there))
    assert not len(uploads)


async def test_a_client_that_leaves_is_not_told_of_the_end() -> None:
    uploads, there = Uploads(), asyncio.Event()
    task = await waiting(uploads, there)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    both = await waiting(uploads, there)
    both.cancel()
    uploads.cut_off(ENDS)  # a cancel of its own beside ours: it stays one
    with pytest.raises(asyncio.CancelledError):
        await both
