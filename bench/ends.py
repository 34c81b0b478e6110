"""How the bench's own server processes know that they are no longer needed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys


async def until_told() -> None:
    """Returns when the process that started this one closes our input (or is gone), or at SIGTERM and SIGINT."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()

    def look() -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            told.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    loop.add_reader(sys.stdin.fileno(), look)
    try:
        await told.wait()
    finally:
        loop.remove_reader(sys.stdin.fileno())
