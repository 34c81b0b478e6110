"""Things that fail alone."""

from __future__ import annotations

import asyncio

import pytest

from proxy.guarded import guarded, is_cancelled


async def fails() -> None:
    raise ZeroDivisionError("a bug")


async def awaits_what_was_cancelled() -> None:
    other = asyncio.ensure_future(asyncio.Event().wait())
    other.cancel()
    await other


async def test_what_fails_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    await guarded(fails(), "the first")
    await guarded(awaits_what_was_cancelled(), "the second")
    assert "the first failed" in caplog.text
    assert "a bug" in caplog.text
    assert "the second failed" in caplog.text
    assert not is_cancelled()


async def test_what_takes_too_long_is_ended(caplog: pytest.LogCaptureFixture) -> None:
    await guarded(asyncio.Event().wait(), "it", within_s=0.01)  # type: ignore[arg-type]
    assert "it failed" in caplog.text
    assert not is_cancelled()


async def test_who_is_cancelled_ends() -> None:
    seen: list[bool] = []

    async def waits() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            seen.append(is_cancelled())

    task = asyncio.create_task(guarded(waits(), "it"))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert seen == [True]
