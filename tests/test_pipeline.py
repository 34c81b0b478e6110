"""Building, starting and closing the chain."""

from __future__ import annotations

import asyncio
from typing import ClassVar, Literal

import pytest

from proxy.models import ModelTable
from proxy.pipeline import Pipeline
from proxy.stage import Stage
from proxy.stores.memory import MemoryStore
from proxy.stores.store import Entry
from stages.route import Route
from stages.stream_translate import StreamTranslate
from tests.support.house import Watcher, house
from tests.support.scripted import ScriptedProvider, chunk, finish, stream


class Part(Stage):
    """Notes when it is started and closed; `fails` to start on request."""

    def __init__(self, label: str, notes: list[str], *, fails: bool = False) -> None:
        super().__init__()
        self.label, self.notes, self.fails = label, notes, fails

    name = "part"

    async def start(self) -> None:
        if self.fails:
            raise OSError("cannot")
        self.notes.append(f"+{self.label}")

    async def close(self) -> None:
        self.notes.append(f"-{self.label}")


class Knows(Stage):
    """A stage that finds out who is asking."""

    name = "knows"
    sets: ClassVar[tuple[Literal["key", "plan"], ...]] = ("key",)


def pipeline(*stages: Stage) -> Pipeline:
    """Returns a pipeline of those stages, without models."""
    return Pipeline(stages, ModelTable({}), {})


async def test_parts_start_in_order_and_close_in_reverse() -> None:
    notes: list[str] = []
    built = pipeline(Part("a", notes), Part("b", notes))
    await built.start()
    await built.close()
    assert notes == ["+a", "+b", "-b", "-a"]


async def test_what_has_started_is_closed_when_a_later_part_cannot_start() -> None:
    notes: list[str] = []
    with pytest.raises(OSError, match="cannot"):
        await pipeline(Part("a", notes), Part("b", notes, fails=True)).start()
    assert notes == ["+a", "-a"]


async def test_a_part_that_cannot_be_closed_keeps_no_other_from_closing(caplog: pytest.LogCaptureFixture) -> None:
    class Sticks(Part):
        async def close(self) -> None:
            raise OSError("sticks")

    notes: list[str] = []
    built = pipeline(Part("a", notes), Sticks("b", notes))
    await built.start()
    await built.close()
    assert notes == ["+a", "+b", "-a"]
    assert "closing Sticks failed" in caplog.text


def test_observers_are_asked_first_and_the_chooser_divides_the_rest() -> None:
    watcher, route, translate = Watcher(), Route(), StreamTranslate()
    first, last = Part("a", []), Part("b", [])
    built = pipeline(first, route, translate, watcher, last)
    assert built.above == (watcher, first, route)
    assert built.below == (translate, last)


def test_authenticates_tells_whether_some_stage_asks_for_a_key() -> None:
    assert not pipeline(Route()).authenticates
    assert pipeline(Knows(), Route()).authenticates


async def test_nothing_is_left_running_after_an_answer() -> None:
    async with house(ScriptedProvider("a", stream(chunk(content="x"), finish()))) as home:
        await home.ask(stream=True)
        await home.settled()
        assert home.pipeline.running == set()


async def test_closing_waits_for_what_still_settles() -> None:
    built = pipeline()
    gate, done = asyncio.Event(), []

    async def work() -> None:
        await gate.wait()
        done.append(True)

    caller = asyncio.ensure_future(built.shielded(work()))
    await asyncio.sleep(0)
    caller.cancel()
    closing = asyncio.ensure_future(built.close())
    await asyncio.sleep(0)
    gate.set()
    await closing
    assert done == [True]


async def test_a_bug_does_not_end_the_search_for_what_was_abandoned(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    again = asyncio.Event()

    class Abandons(MemoryStore):
        asked = 0

        async def abandoned(self) -> list[Entry]:
            self.asked += 1
            if self.asked == 1:
                raise RuntimeError("a bug")
            again.set()
            return []

    monkeypatch.setattr("proxy.pipeline._REAP_EVERY_S", 0.001)
    built = Pipeline([], ModelTable({}), {}, store=Abandons())
    await built.start()
    await asyncio.wait_for(again.wait(), 5)
    await built.close()
    assert "abandoned" in caplog.text
