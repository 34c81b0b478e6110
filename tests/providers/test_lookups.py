"""Look-ups in threads: what comes of them, and that nobody waits for one at the end."""

from __future__ import annotations

import asyncio
import threading

import pytest

from proxy.providers.lookups import looked_up


async def test_what_comes_of_it() -> None:
    assert await looked_up(lambda: threading.current_thread() is threading.main_thread()) is False

    def fails() -> None:
        raise KeyError("no")

    with pytest.raises(KeyError, match="no"):
        await looked_up(fails)


@pytest.mark.parametrize("cancelled", [True, False])
def test_nobody_waits_for_one_that_hangs(monkeypatch: pytest.MonkeyPatch, cancelled: bool) -> None:
    begun, gate, told = threading.Event(), threading.Event(), []
    threads: list[threading.Thread] = []
    monkeypatch.setattr(threading, "excepthook", told.append)

    def hangs() -> None:
        threads.append(threading.current_thread())
        begun.set()
        assert gate.wait(60)

    async def asked() -> None:
        waiting = asyncio.ensure_future(looked_up(hangs))
        while not begun.is_set():
            await asyncio.sleep(0)
        if cancelled:
            waiting.cancel()
            await asyncio.wait([waiting])

    loop = threading.Thread(target=asyncio.run, args=(asked(),))
    loop.start()
    loop.join(30)
    ended = not loop.is_alive()
    gate.set()
    loop.join(30)
    assert ended
    assert threads[0].daemon
    threads[0].join(30)
    assert told == []  # what came too late went nowhere
