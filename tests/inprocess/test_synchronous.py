"""Calls that wait: from any thread, with or without an event loop around them."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from openai.types.responses import ResponseCompletedEvent

from proxy.errors import BadRequest, NotFound, UpstreamRefused
from proxy.inprocess.penstock import Penstock
from tests.support.endless import endless, silent
from tests.support.hostile import HostileUpstream, until
from tests.support.inprocess import ECHO, file_of, soon
from tests.support.serving import ROOT
from tests.support.talking import Talks


def test_each_call_that_waits() -> None:
    with Penstock.from_text(ECHO) as penstock:
        first = penstock.responses("Hello, river.", "m", max_output_tokens=100)
        assert first.output_text == "Hello, river."
        assert penstock.get_responses(first.id) == first
        assert [item.role for item in penstock.list_input_items(first.id).data] == ["user"]  # type: ignore[union-attr]
        second = penstock.responses(model="m", input="and", previous_response_id=first.id)
        assert second.previous_response_id == first.id
        assert penstock.compact_responses([{"role": "user", "content": "hi"}], "m").object == "response.compaction"
        conversation = penstock.create_conversation(items=[{"role": "user", "content": "hi"}])
        penstock.responses("again", "m", conversation=conversation.id)
        assert len(penstock.list_conversation_items(conversation.id).data) == 3
        assert penstock.delete_conversation(conversation.id).deleted
        assert penstock.delete(first.id).id == first.id
        with pytest.raises(NotFound):
            penstock.get(first.id)
        with pytest.raises(BadRequest) as wrong:
            penstock.responses("hi", "nobody")
        assert wrong.value.param == "model"
        with pytest.raises(UpstreamRefused) as refused:
            penstock.responses("[[error 401]]", "m", stream=True)
        assert (refused.value.status, refused.value.upstream_status) == (502, 401)


def test_chat_completions_and_counts_that_wait() -> None:
    hi = [{"role": "user", "content": "Hello, river."}]
    with Penstock.from_text(ECHO) as penstock:
        assert penstock.completion("m", hi).choices[0].message.content == "Hello, river."
        chunks = list(penstock.completion(model="m", messages=hi, stream=True))
        assert "".join(one.choices[0].delta.content or "" for one in chunks) == "Hello, river."
        assert chunks[-1].choices[0].finish_reason == "stop"
        with penstock.completion("m", hi, stream=True) as stream:
            assert next(stream).choices[0].delta.role == "assistant"
        assert penstock.input_tokens("Hello, river.", "m").input_tokens > 0


def test_a_stream_is_read_again_and_a_response_cancelled() -> None:
    with Penstock.from_text(ECHO) as penstock:
        events = list(penstock.responses("Hello, river.", "m", stream=True))
        assert isinstance(events[-1], ResponseCompletedEvent)
        id = events[-1].response.id
        assert list(penstock.get_responses(id, stream=True)) == events
        assert list(penstock.get_responses(id, stream=True, starting_after=3)) == events[4:]
        queued = penstock.responses("[[say a b]] [[stall 1]]", "m", background=True)
        assert penstock.cancel_responses(queued.id).status == "cancelled"
        assert penstock.cancel(queued.id).status == "cancelled"


@pytest.mark.parametrize("way", ["break", "close", "with", "drop"])
async def test_who_leaves_closes_the_upstream(way: str) -> None:
    def leave(penstock: Penstock) -> Any:
        stream = penstock.responses("hi", "m", stream=True)
        if way == "break":
            for event in stream:
                if event.type == "response.output_text.delta":
                    break
            return stream  # it is kept, and closed all the same
        if way == "close":
            next(stream)
            stream.close()
            stream.close()
        elif way == "with":
            with stream:
                next(iter(stream))
        return None

    async with HostileUpstream(endless) as up:
        with Penstock.from_text(file_of(up)) as penstock:
            kept = await soon(asyncio.to_thread(leave, penstock))
            assert await (await up.peer()).was_closed()
            if way == "break":
                with pytest.raises(RuntimeError, match="keep the iterator"):
                    next(kept)


async def test_who_does_not_read_pauses_the_upstream() -> None:
    async with HostileUpstream(endless, send_buffer=1 << 16) as up:
        with Penstock.from_text(file_of(up)) as penstock:
            events = iter(await asyncio.to_thread(penstock.responses, "hi", "m", stream=True))
            peer = await up.peer()
            await until(lambda: peer.blocked)
            sent = peer.sent

            def read_on(events: Iterator[object]) -> None:
                while peer.sent == sent:
                    next(events)

            await soon(asyncio.to_thread(read_on, events))
            await until(lambda: peer.blocked)
            del events
            assert await peer.was_closed()


async def test_a_hundred_threads_at_a_time() -> None:
    async with Talks({"content": "Hello."}) as up:
        with Penstock.from_text(file_of(up)) as penstock:

            def ask(number: int) -> str:
                if number % 2:
                    return penstock.responses(f"{number}", "m").output_text
                last = list(penstock.responses(f"{number}", "m", stream=True))[-1]
                assert isinstance(last, ResponseCompletedEvent)
                return last.response.output_text

            with ThreadPoolExecutor(100) as pool:
                loop = asyncio.get_running_loop()
                said = await soon(asyncio.gather(*(loop.run_in_executor(pool, ask, at) for at in range(100))), 30)
            assert said == ["Hello."] * 100
            assert sorted(int(one["messages"][0]["content"]) for one in up.requests) == list(range(100))


async def test_inside_an_event_loop_another_thread_serves() -> None:
    """As in a notebook: the loop stands still meanwhile, and nothing is lost."""
    with Penstock.from_text(ECHO) as penstock:
        first = penstock.responses("hi", "m")
        async with penstock:
            assert (await penstock.aget_responses(first.id)).id == first.id


async def test_what_another_loop_makes_is_found_and_cancelled() -> None:
    async with HostileUpstream(silent) as up, Penstock.from_text(file_of(up)) as penstock:
        queued = await asyncio.to_thread(penstock.responses, "hi", "m", background=True)
        peer = await up.peer()
        assert (await penstock.aget_responses(queued.id)).status == "in_progress"
        with pytest.raises(BadRequest, match="another event loop"):
            await penstock.aget_responses(queued.id, stream=True)
        assert (await penstock.acancel_responses(queued.id)).status == "cancelled"
        assert await peer.was_closed()
        penstock.close()


def run(code: str) -> str:
    """Returns what a program prints; it must end by itself, in good order and without a word on stderr."""
    done = subprocess.run(
        [sys.executable, "-W", "default::ResourceWarning", "-c", code],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


FORK = f"""
import contextlib, os, threading
from proxy.inprocess.penstock import Penstock
penstock = Penstock.from_text({ECHO!r})
first = penstock.responses("parent", "m")
stream = penstock.responses("[[say a b]] [[stall 1]]", "m", stream=True)
next(stream)
if (child := os.fork()) == 0:
    print(penstock.responses("child", "m").output_text, flush=True)
    try:
        penstock.get_responses(first.id)
    except Exception as error:
        print(type(error).__name__, flush=True)
    try:
        while True:
            next(stream)
    except RuntimeError as error:
        print(error, flush=True)
    raise SystemExit(0)
_, status = os.waitpid(child, 0)
print(status, penstock.responses("parent again", "m").output_text, penstock.get_responses(first.id).output_text)
penstock.responses("[[say a b]] [[stall 1]]", "m", background=True)
def ask():
    with contextlib.suppress(Exception):  # it is told that all is closed, if it still gets to hear it
        penstock.responses("[[say a b]] [[stall 1]]", "m")
threading.Thread(target=ask, daemon=True).start()
print("done")
"""


def test_a_child_has_a_thread_of_its_own_and_the_end_of_a_process_waits_for_nothing() -> None:
    assert run(FORK).splitlines() == [
        "child",
        "NotFound",
        "this stream belongs to the process that this one was forked from",
        "0 parent again parent",
        "done",
    ]


INTERRUPT = f"""
import os, signal, threading
from proxy.inprocess.penstock import Penstock
def interrupt():
    threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()
with Penstock.from_text({ECHO!r}) as penstock:
    penstock.responses("hi", "m")
    try:
        interrupt()
        penstock.responses("[[say a b]] [[stall 1]]", "m")
    except KeyboardInterrupt:
        print("interrupted")
    try:
        for event in penstock.responses("[[say a b]] [[stall 1]]", "m", stream=True):
            if event.type == "response.output_text.delta":
                interrupt()
    except KeyboardInterrupt:
        print("interrupted")
    print(penstock.responses("hi", "m").output_text)
"""


def test_a_call_can_be_interrupted() -> None:
    assert run(INTERRUPT).splitlines() == ["interrupted", "interrupted", "hi"]


def test_a_call_in_the_thread_of_the_calls_is_refused() -> None:
    with Penstock.from_text(ECHO) as penstock:

        async def ask(_: object) -> None:
            penstock.responses("hi", "m")

        with pytest.raises(RuntimeError, match="its own event loop"):
            penstock._wait(ask)
        assert threading.active_count() < 50
