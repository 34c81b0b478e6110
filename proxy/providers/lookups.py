"""Runs what blocks, such as asking for credentials, in a thread that nobody waits for at the end.

The threads of the loop's own pool are waited for when it stops: a server of tokens that does not answer would hold back
the whole process for as long.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

_T = TypeVar("_T")


async def looked_up(work: Callable[[], _T]) -> _T:
    """Returns what `work` returns, or raises what it raises; it runs in a thread of its own.

    Who is cancelled leaves the thread to end by itself, and the process does not wait for it.
    """
    future: Future[_T] = Future()
    future.set_running_or_notify_cancel()  # from here on it is not cancelled but left
    threading.Thread(target=_run, args=(work, future), name="penstock-lookup", daemon=True).start()
    return await asyncio.wrap_future(future)


def _run(work: Callable[[], _T], future: Future[_T]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # whatever it is, whoever waits is to get it
        future.set_exception(error)
