"""Translation and Relay: one attempt's bytes through the machines, and when the client is committed to it."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from proxy.api.chat.answer import chat_relay
from proxy.api.responses.encoder import ResponsesEncoder
from proxy.api.responses.snapshot import Snapshot
from proxy.errors import InternalError, UpstreamCut, UpstreamStreamError, UpstreamTimeout
from proxy.events import Event, Finish, TextDelta, UpstreamFailed, Usage
from proxy.exchange import Exchange
from proxy.stage import ResponseFilter
from proxy.translation import AsyncTranslation, Relay, Translation
from tests.support.decoding import decoder
from tests.support.drive import chatting, exchange_of
from tests.support.grammar import check_stream
from tests.support.machines import DONE, ECHO, chunk
from tests.support.responses_streams import Upstream, message_item, payloads, relayed


class Shout(ResponseFilter):
    """Makes text upper case; notes the batches it was given."""

    def __init__(self) -> None:
        self.batches: list[list[Event]] = []

    def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:
        """Changes what it is given."""
        self.batches.append(events)
        return [TextDelta(event.text.upper()) if isinstance(event, TextDelta) else event for event in events]


class HoldBack(ResponseFilter):
    """Keeps text to the end."""

    def __init__(self) -> None:
        self.held = ""

    def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:
        """Lets text out with Finish."""
        self.held += "".join(event.text for event in events if isinstance(event, TextDelta))
        last = events[-1]
        return [TextDelta(self.held), last] if isinstance(last, Finish) else []


class ShoutLater(ResponseFilter):
    """Does the same, but must be awaited."""

    async def on_events(self, exchange: Exchange, events: list[Event]) -> list[Event]:
        """Changes what it is given."""
        return Shout().on_events(exchange, events)


class Bench:
    """A translation with its exchange; `opened` counts how often the client's stream was opened, or made ready."""

    def __init__(self, *filters: ResponseFilter, kind: type[Translation] = Translation) -> None:
        self.exchange = exchange_of()
        self.opened = 0
        self.out = b""
        self.encoder = ResponsesEncoder(Snapshot(ECHO, response_id="resp_" + "0" * 24, created_at=1, model="m"))
        self.machine = kind(self.exchange, decoder(), filters, self.encoder, self)
        self._ready: bytes | None = None

    def make_ready(self) -> None:
        """Makes what opens the client's stream, to go out with what follows."""
        self.opened += 1
        self._ready = self.encoder.begin()

    def open(self) -> None:
        """Opens the client's stream."""
        if self._ready is None:
            self.make_ready()
        self.write(b"")

    def write(self, out: bytes) -> None:
        """Takes what the client gets."""
        self.out += (self._ready or b"") + out
        self._ready = b""

    def feed(self, *reads: bytes) -> None:
        """Passes reads through."""
        for read in reads:
            if written := self.machine.feed(read):
                self.write(written)

    def finish(self, error: Any = None) -> Any:
        """Ends the body; returns what the stream said."""
        self.write(self.machine.finish(error))
        return check_stream(self.out)


TEXT = chunk({"content": "par"})
STOP = chunk({}, "stop")
USAGE = b'data: {"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}\n\n'
BROKEN = b'data: {"error":{"message":"broke","code":404}}\n\n'


def test_one_read_is_one_write() -> None:
    bench = Bench()
    bench.feed(chunk({"role": "assistant", "content": ""}))
    assert bench.out == b""
    bench.feed(TEXT + TEXT)
    assert bench.out.count(b"event: response.output_text.delta") == 2
    bench.feed(STOP + DONE)
    assert bench.machine.done
    assert check_stream(bench.out).text == "parpar"


def test_the_client_is_opened_once_before_the_first_event() -> None:
    bench = Bench()
    bench.feed(chunk({"content": ""}), USAGE)
    assert (bench.opened, bench.exchange.committed) == (0, False)
    bench.feed(TEXT, TEXT)
    assert (bench.opened, bench.exchange.committed) == (1, True)
    assert bench.finish(UpstreamCut("gone")).response["usage"]["total_tokens"] == 2


def test_the_client_is_opened_in_the_same_turn_when_filters_keep_the_first_event_or_fail() -> None:
    keeps, fails = ResponseFilter(), ResponseFilter()
    keeps.on_events = lambda exchange, events: []  # type: ignore[method-assign]
    fails.on_events = lambda exchange, events: 1 // 0  # type: ignore[method-assign]
    for one in (keeps, fails):
        bench = Bench(one)
        with contextlib.suppress(ZeroDivisionError):
            bench.feed(TEXT)
        assert bench.opened == 1
        assert bench.out == Bench().encoder.begin()


def test_an_answer_without_output_is_committed_at_its_end() -> None:
    bench = Bench()
    bench.feed(STOP, DONE)
    assert bench.exchange.committed
    assert check_stream(bench.out).output == []


@pytest.mark.parametrize("reads", [[BROKEN], [USAGE, BROKEN], [chunk({"content": "\n"}), BROKEN], [USAGE + BROKEN]])
def test_a_failure_before_any_output_is_raised(reads: list[bytes]) -> None:
    bench = Bench()
    with pytest.raises(UpstreamStreamError, match="broke") as caught:
        bench.feed(*reads)
    assert caught.value.status == 404
    assert (bench.opened, bench.exchange.committed, bench.out) == (0, False, b"")


@pytest.mark.parametrize("reads", [[TEXT, BROKEN], [TEXT + BROKEN]])
def test_a_failure_behind_output_goes_into_the_stream(reads: list[bytes]) -> None:
    bench = Bench()
    bench.feed(*reads)
    said = check_stream(bench.out)
    assert (said.text, said.response["error"]["message"]) == ("par", "broke")


def test_a_body_that_breaks_off_before_output_raises_what_broke_it() -> None:
    bench = Bench()
    late = UpstreamTimeout("too late", phase="idle")
    with pytest.raises(UpstreamTimeout) as caught:
        bench.finish(late)
    assert caught.value is late


def test_a_body_that_breaks_off_behind_output_fails_with_what_broke_it() -> None:
    bench = Bench()
    bench.feed(TEXT)
    assert bench.finish(UpstreamTimeout("too late", phase="idle")).response["error"] == {
        "code": "server_error",
        "message": "too late",
    }


def test_an_answer_that_was_whole_before_the_connection_broke_is_whole() -> None:
    bench = Bench()
    bench.feed(TEXT, STOP)
    assert bench.finish(UpstreamCut("gone")).response["status"] == "completed"


def test_the_last_event_needs_no_blank_line() -> None:
    bench = Bench()
    bench.feed(TEXT, STOP.rstrip())
    assert bench.finish().response["status"] == "completed"


def test_an_error_of_ours_ends_the_answer() -> None:
    bench = Bench()
    bench.feed(TEXT)
    bench.out += bench.machine.fail(InternalError("ours"))
    assert check_stream(bench.out).response["error"]["message"] == "ours"
    assert bench.machine.done


def test_filters_see_what_one_read_produced_from_the_first_event_on() -> None:
    filter = Shout()
    bench = Bench(filter)
    bench.feed(USAGE, TEXT + TEXT, STOP, DONE)
    assert check_stream(bench.out).text == "PARPAR"
    assert [[type(event) for event in batch] for batch in filter.batches] == [[Usage, TextDelta, TextDelta], [Finish]]


def test_filters_see_text_that_needed_no_parsing() -> None:
    filter = Shout()
    bench = Bench(filter)
    bench.feed(*[chunk({"content": word}) for word in "abcd"], STOP + DONE)
    assert check_stream(bench.out).text == "ABCD"
    assert [len(batch) for batch in filter.batches] == [1] * 5


def test_a_filter_may_hold_text_back_to_the_end() -> None:
    bench = Bench(HoldBack(), Shout())
    bench.feed(TEXT, TEXT)
    assert check_stream(bench.out + bench.machine.fail(InternalError("x"))).text == ""
    other = Bench(HoldBack(), Shout())
    other.feed(TEXT, TEXT, STOP + DONE)
    assert check_stream(other.out).text == "PARPAR"


def test_a_whole_body_goes_the_same_way() -> None:
    bench = Bench(Shout())
    bench.write(bench.machine.whole(b'{"choices":[{"message":{"content":"hi"},"finish_reason":"stop"}]}'))
    assert check_stream(bench.out).text == "HI"
    assert bench.exchange.committed


def test_a_whole_body_with_an_error_is_raised() -> None:
    with pytest.raises(UpstreamStreamError):
        Bench().machine.whole(b'{"error":{"message":"broke"}}')


async def test_filters_that_must_be_awaited_are() -> None:
    bench = Bench(ShoutLater(), kind=AsyncTranslation)
    machine = bench.machine
    assert isinstance(machine, AsyncTranslation)
    assert await machine.pass_async(machine.decode(USAGE)) == b""
    for events in (machine.decode(TEXT), machine.decode(STOP), machine.last_events()):
        written = await machine.pass_async(events)
        bench.out += written
    assert check_stream(bench.out).text == "PAR"


async def test_a_whole_body_may_be_awaited_too() -> None:
    bench = Bench(ShoutLater(), kind=AsyncTranslation)
    machine = bench.machine
    assert isinstance(machine, AsyncTranslation)
    events = machine.decode_whole(b'{"choices":[{"message":{"content":"hi"}}]}')
    written = await machine.pass_async(events)
    assert check_stream(bench.out + written).text == "HI"


def test_a_failure_is_the_last_of_the_last_events() -> None:
    bench = Bench()
    (failed,) = bench.machine.last_events(UpstreamCut("gone"))
    assert isinstance(failed, UpstreamFailed)
    assert failed.error.message == "gone"


# --- relay


def relay() -> tuple[Relay, Exchange]:
    """Returns a relay and its exchange."""
    exchange = exchange_of(chatting("hi", stream=True))
    return Relay(exchange, chat_relay(exchange)), exchange


def test_a_relay_passes_payloads_on_and_commits_with_the_first_output() -> None:
    bridge, exchange = relay()
    bridge.feed(chunk({"role": "assistant", "content": ""}))
    assert not exchange.committed
    assert b'"par"' in bridge.feed(TEXT)
    assert exchange.committed
    assert bridge.feed(STOP + DONE).endswith(DONE)
    assert bridge.done


def test_a_relay_raises_a_failure_before_any_output() -> None:
    bridge, exchange = relay()
    with pytest.raises(UpstreamStreamError, match="broke"):
        bridge.feed(BROKEN)
    other, _ = relay()
    with pytest.raises(UpstreamCut):
        other.finish()
    assert not exchange.committed


def test_a_relay_tells_a_failure_behind_output() -> None:
    bridge, _ = relay()
    bridge.feed(TEXT)
    assert b"gone" in bridge.finish(UpstreamCut("gone"))
    other, _ = relay()
    other.feed(TEXT)
    assert b"ours" in other.fail(InternalError("ours"))
    assert other.done


def test_what_an_upstream_says_of_its_response_is_known_before_the_stream_is_opened() -> None:
    up = Upstream()
    said = payloads(relayed(up.begin(temperature=0.5) + up.message("Hi") + up.end(message_item("Hi"), temperature=0.5)))
    assert [one["response"]["temperature"] for one in (said[0], said[1], said[-2])] == [0.5, 0.5, 0.5]
