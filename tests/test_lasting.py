"""A part of several pipelines is started once, and closed once."""

from __future__ import annotations

import pytest

from proxy.lasting import Lasting


class Part:
    """Notes what is done to it."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.fails = False

    async def start(self) -> None:
        self.done.append("start")
        if self.fails:
            raise OSError("no room")

    async def close(self) -> None:
        self.done.append("close")


async def test_the_first_starts_it_and_the_last_closes_it() -> None:
    lasting = Lasting(part := Part())
    await lasting.start()
    await lasting.start()
    await lasting.close()
    assert part.done == ["start"]
    await lasting.close()
    assert part.done == ["start", "close"]


async def test_one_that_could_not_be_started_has_no_user() -> None:
    lasting = Lasting(part := Part())
    part.fails = True
    with pytest.raises(OSError, match="no room"):
        await lasting.start()
    part.fails = False
    await lasting.start()
    await lasting.close()
    assert part.done == ["start", "start", "close"]
