"""One pipeline in one loop: who is asked, what observers see, and how it is closed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import msgspec
import pytest

from proxy.assembly import assemble
from proxy.config.loader import load_text
from proxy.errors import BadRequest, InternalError, NotFound, Overloaded, Unauthorized
from proxy.exchange import Exchange
from proxy.inprocess.call import Call
from proxy.inprocess.outlet import Delivery, to_nobody
from proxy.inprocess.service import Service
from proxy.pipeline import Pipeline
from proxy.reply import Reply
from proxy.stage import Stage
from tests.support.endless import endless, silent
from tests.support.hostile import HostileUpstream
from tests.support.house import Watcher
from tests.support.inprocess import ECHO, KEYS, file_of, soon
from tests.support.talking import Talks


def nobody() -> Iterable[Service]:
    return ()


def pipeline_of(text: str, *stages: Stage) -> Pipeline:
    """Returns the pipeline of a text, with stages in front of the others."""
    pipeline = assemble(load_text(text, "test"))
    pipeline.above = (*stages, *pipeline.above)
    pipeline.observers = tuple(stage for stage in stages if stage.observer)
    pipeline.stages = (*stages, *pipeline.stages)
    return pipeline


async def service_of(text: str, *stages: Stage) -> Service:
    service = Service(pipeline_of(text, *stages), nobody)
    await service.started()
    return service


def asking(**fields: object) -> Call:
    return Call.of({"model": "m", "input": "hi", **fields})


async def test_observers_see_what_was_refused() -> None:
    watcher = Watcher()
    service = await service_of(ECHO, watcher)
    with pytest.raises(BadRequest):
        await service.create(asking(model="other"))
    with pytest.raises(BadRequest):
        await service.open(asking(model="other", stream=True), to_nobody)
    with pytest.raises(BadRequest):
        await service.compact(asking(stream=True))
    await service.create(asking())
    assert [one.outcome for one in watcher.ended] == ["rejected", "rejected", "rejected", "completed"]
    await service.close()


class Says(Stage):
    """Answers in the place of any model."""

    name = "says"

    def __init__(self, reply: Reply) -> None:
        super().__init__()
        self.reply = reply

    async def on_request(self, exchange: Exchange) -> Reply:
        return self.reply


async def test_a_stages_own_response_is_told_as_a_stream() -> None:
    made = {"id": "resp_1", "object": "response", "status": "completed", "output": []}
    service = await service_of(ECHO, Says(Reply.json(made)))
    assert msgspec.json.decode((await service.create(asking())).body) == made
    came: asyncio.Queue[Delivery] = asyncio.Queue()
    await service.open(asking(stream=True), came.put_nowait)
    delivery = await soon(came.get())
    assert delivery is not None
    assert [msgspec.json.decode(event)["type"] for event in delivery[1]] == ["response.created", "response.completed"]
    assert await soon(came.get()) is None
    await service.close()


async def test_a_stages_own_refusal_is_raised() -> None:
    service = await service_of(ECHO, Says(Reply.json({"error": {"message": "closed today"}}, 503)))
    for stream in (False, True):
        with pytest.raises(Overloaded, match="closed today"):
            await (service.open(asking(stream=True), to_nobody) if stream else service.create(asking()))
    await service.close()


class Fails(Stage):
    """Has a bug."""

    name = "fails"

    async def on_request(self, exchange: Exchange) -> None:
        raise LookupError("a bug")


async def test_a_bug_is_an_error_of_ours() -> None:
    service = await service_of(ECHO, Fails())
    with pytest.raises(InternalError):
        await service.create(asking())
    await service.close()


async def test_only_who_has_the_key_finds_the_response() -> None:
    service = await service_of(KEYS)
    reply = await service.create(asking(api_key="the-key-of-alice"))
    id = msgspec.json.decode(reply.body)["id"]
    alice, bob = Call.of({"api_key": "the-key-of-alice"}), Call.of({"api_key": "the-key-of-bob"})
    assert msgspec.json.decode(await service.retrieve(id, alice))["id"] == id
    for ask in (service.retrieve, service.delete, service.cancel, service.input_items):
        with pytest.raises(NotFound):
            await ask(id, bob)
        with pytest.raises(Unauthorized):
            await ask(id, Call.of({}))
    with pytest.raises(NotFound):
        await service.follow(id, bob, to_nobody)
    with pytest.raises(Unauthorized):
        await service.create(asking())
    await service.close()


async def test_without_a_store_nothing_is_found() -> None:
    service = await service_of(ECHO.replace("memory", "none"))
    await service.create(asking())
    with pytest.raises(NotFound, match=r"stores\.responses"):
        await service.retrieve("resp_1", Call.of({}))
    with pytest.raises(NotFound, match=r"stores\.responses"):
        await service.conversation(Call.of({}), "POST", lambda every, owner: every.create(owner, b""))
    await service.close()


async def test_a_pipeline_of_ones_own_says_where_models_are() -> None:
    service = await service_of(ECHO)
    for name in ("base_url", "custom_llm_provider"):
        with pytest.raises(TypeError, match=name):
            await service.create(asking(**{name: "x"}))
    await service.close()


async def test_closing_ends_what_runs_with_an_error_that_says_why() -> None:
    async with HostileUpstream(endless) as up, HostileUpstream(silent) as quiet:
        service, still = await service_of(file_of(up)), await service_of(file_of(quiet))
        came: list[Delivery] = []
        over = asyncio.Event()

        def take(delivery: Delivery) -> None:
            came.append(delivery)
            if delivery is None:
                over.set()

        await service.open(asking(stream=True), take)
        waiting = asyncio.create_task(still.create(asking()))
        peers = [await up.peer(), await quiet.peer()]
        await soon(asyncio.gather(service.close(), still.close()))
        await soon(over.wait())
        assert came[-2] is not None
        last = msgspec.json.decode(came[-2][1][-1])
        assert last["type"] == "response.failed"
        assert "was closed" in last["response"]["error"]["message"]
        with pytest.raises(Overloaded, match="was closed"):
            await soon(waiting)
        assert all([await peer.was_closed() for peer in peers])
        await service.close()


def test_a_loop_that_ends_closes_it() -> None:
    closed: list[str] = []

    class Ends(Stage):
        name = "ends"

        async def close(self) -> None:
            closed.append("yes")

    async def ask() -> None:
        service = await service_of(ECHO, Ends())
        await service.create(asking())

    asyncio.run(ask())
    assert closed == ["yes"]


async def test_a_failure_of_the_start_is_raised_to_all_who_wait() -> None:
    class Refuses(Stage):
        name = "refuses"

        async def start(self) -> None:
            raise LookupError("no disk")

    service = Service(pipeline_of(ECHO, Refuses()), nobody)
    found = await asyncio.gather(service.started(), service.started(), return_exceptions=True)
    assert [str(one) for one in found] == ["no disk", "no disk"]


async def test_a_slow_upstream_may_fail_late_and_is_raised_all_the_same() -> None:
    """Over HTTP the stream would have been opened meanwhile, lest some hop takes the silence for death."""
    async with Talks({"content": "x"}) as up:
        service = await service_of("limits: {keepalive_comment: 10ms}\n" + file_of(up))
        up.hold = asyncio.Event()
        opening = asyncio.create_task(service.open(asking(stream=True), to_nobody))
        await up.peer()
        await asyncio.wait((opening,), timeout=0.1)
        assert not opening.done()
        up.hold.set()
        await soon(opening)
        await service.close()
