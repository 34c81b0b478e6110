"""One of several things to be done, which must not keep the others from being done."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable

_log = logging.getLogger("penstock")


async def guarded(work: Awaitable[None], what: str, *, within_s: float | None = None) -> None:
    """Awaits work, for so long at most; when it fails, that is logged with `what` it was.

    Something that was awaited in it may have been cancelled: that is a failure like any other. Only when the caller's
    own task is cancelled, the work ends with it.
    """
    try:
        async with asyncio.timeout(within_s):
            await work
    except (Exception, asyncio.CancelledError) as error:
        if isinstance(error, asyncio.CancelledError) and is_cancelled():
            raise
        _log.error("%s failed", what, exc_info=error)


def is_cancelled() -> bool:
    """Tells whether somebody wants the task at hand to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
