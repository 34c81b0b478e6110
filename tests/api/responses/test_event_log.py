"""EventLog: what a stream said, read again from anywhere with the same bytes."""

from __future__ import annotations

import contextlib
import random
import zlib
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from proxy.api.responses import event_log
from proxy.api.responses.encoder import ResponsesEncoder
from proxy.api.responses.encoder_options import EncoderOptions
from proxy.api.responses.event_log import DONE, EventLog, zstd
from proxy.api.responses.event_writer import delta_template
from proxy.api.responses.snapshot import Snapshot
from proxy.events import Event, Finish, TextDelta, ToolCallDelta
from tests.support.any_events import ENDS, OPTIONS, TOOLS, events_in_any_order, tell
from tests.support.cost import check_growth
from tests.support.encoding import call, encoder, seal
from tests.support.logs import check_log, events_of

TEMPLATE = delta_template("response.output_text.delta", {"item_id": "msg_%d", "output_index": 0})
OTHER = delta_template("response.refusal.delta", {"item_id": "msg_1"})


def log_of(machine: ResponsesEncoder) -> EventLog:
    """Returns the log that the encoder keeps."""
    assert machine.log is not None
    return machine.log


def small(*, done_marker: bool = True) -> EventLog:
    """Returns a log of texts in two templates; its end is held."""
    log = EventLog(done_marker=done_marker)
    log.snapshot("response.created", b'{"a":1}', b"")
    log.use(TEMPLATE)
    log.entries += ["one", b"event: x\ndata: {}\n\n", "two"]
    log.delta(OTHER, "three")
    log.hold("response.completed", b'{"a":2}')
    return log


# --- reading


def test_deltas_are_written_by_the_template_in_force() -> None:
    out, position = small().render(0, 100)
    assert out == (
        b'event: response.created\ndata: {"type":"response.created","sequence_number":0,"response":{"a":1}}\n\n'
        + TEMPLATE % (1, b'"one"')
        + b"event: x\ndata: {}\n\n"
        + TEMPLATE % (3, b'"two"')
        + OTHER % (4, b'"three"')
    )
    assert position == 5


def test_so_many_bytes_at_a_time_and_one_event_at_least() -> None:
    log = small()
    log.release()
    whole, position, pieces = log.render(0, 100)[0], 0, []
    while position < len(log.entries):
        piece, position = log.render(position, 100, 200)
        assert len(piece) <= 200 or piece.count(b"\n\n") == 1
        pieces.append(piece)
    assert b"".join(pieces) == whole
    assert 2 < len(pieces) < 6
    assert log.render(2, 3, 1) == (b"event: x\ndata: {}\n\n", 3)


@pytest.mark.parametrize("done_marker", [True, False])
def test_the_end_is_read_when_it_is_released(done_marker: bool) -> None:
    log = small(done_marker=done_marker)
    assert (log.last, log.ended, log.render(5, 9)) == (4, False, (b"", 5))
    log.release()
    end = b'event: response.completed\ndata: {"type":"response.completed","sequence_number":5,"response":{"a":2}}\n\n'
    assert (log.last, log.ended) == (5, True)
    assert log.render(5, 9) == (end + (DONE if done_marker else b""), len(log.entries))
    assert log.render(len(log.entries), 9) == (b"", len(log.entries))
    before = list(log.entries)
    log.release()
    assert log.entries == before


def test_who_has_an_event_reads_on_behind_it() -> None:
    log = small()
    assert [log.position_after(number) for number in (-9, -1, 0, 4, 5, 99)] == [0, 0, 1, 5, 6, 100]
    log.release()
    assert [log.position_after(number) for number in (-9, -1, 0, 4, 5, 99)] == [0, 0, 1, 5, 6, 6]
    assert log.render(log.position_after(99), 9) == (DONE, 7)


def test_who_is_ahead_of_the_log_waits_until_it_has_come_so_far() -> None:
    log = EventLog()
    position = log.position_after(1)
    log.use(TEMPLATE)
    for text in "ab":
        log.entries.append(text)
        assert log.render(position, 9) == (b"", position)
    log.entries.append("c")
    assert log.render(position, 9) == (TEMPLATE % (2, b'"c"'), 3)


def test_a_template_may_be_chosen_for_nothing() -> None:
    log = EventLog()
    log.use(OTHER)
    log.delta(TEMPLATE, "a")
    log.delta(OTHER, "b")
    log.use(TEMPLATE)
    assert log.render(0, 9)[0] == TEMPLATE % (0, b'"a"') + OTHER % (1, b'"b"')
    assert EventLog.from_bytes(log.to_bytes()).render(0, 9) == log.render(0, 9)


# --- what encoders keep


@settings(max_examples=120, derandomize=True, deadline=None, database=None)
@given(
    events=events_in_any_order(),
    end=st.one_of(ENDS, st.none()),
    options=OPTIONS,
    sealing=st.booleans(),
    queued=st.booleans(),
    done_marker=st.booleans(),
    hold_end=st.booleans(),
)
def test_any_stream_is_read_again_from_anywhere(
    events: list[Event],
    end: Event | None,
    options: dict[str, Any],
    sealing: bool,
    queued: bool,
    done_marker: bool,
    hold_end: bool,
) -> None:
    options = {**options, "done_marker": done_marker, "hold_end": hold_end, "keep_log": True}
    machine = encoder(tools=TOOLS, seal=seal if sealing else None, background=queued, **options)
    log = log_of(machine)
    live = tell(machine, events, queued=queued)
    assert log.render(0, 10_000) == (live, len(log.entries))
    live += machine.encode([end]) if end is not None else machine.cancel()
    assert log.render(0, 10_000)[0] == live
    stored = EventLog.from_bytes(log.to_bytes())
    live += machine.end()
    check_log(log, live)
    check_log(stored, live)


@settings(max_examples=50, derandomize=True, deadline=None, database=None)
@given(events=events_in_any_order(), end=ENDS, options=OPTIONS)
def test_keeping_a_log_changes_nothing(events: list[Event], end: Event, options: dict[str, Any]) -> None:
    options = {**options, "obfuscation": False}
    kept = tell(encoder(tools=TOOLS, keep_log=True, **options), [*events, end])
    assert kept == tell(encoder(tools=TOOLS, **options), [*events, end])


def test_what_has_not_ended_can_be_stored() -> None:
    machine = encoder(keep_log=True)
    told = tell(machine, [TextDelta("a"), *call(0, "f", "{")])
    stored = EventLog.from_bytes(log_of(machine).to_bytes())
    assert (stored.ended, stored.render(0, 100)[0]) == (False, told)


def test_no_delta_is_kept_as_it_was_rendered() -> None:
    machine = encoder(keep_log=True)
    texts = [f"word{number} " for number in range(2000)]
    told = tell(machine, [TextDelta(text) for text in texts])
    log = log_of(machine)
    assert [entry for entry in log.entries if isinstance(entry, str)] == texts
    assert sum(isinstance(entry, bytes) for entry in log.entries) == 2
    assert all(one is kept for one, kept in zip(texts, [e for e in log.entries if isinstance(e, str)], strict=True))
    said = len("".join(texts))
    assert len(told) > 200 * 2000
    assert log.size < said + 3000
    assert len(log.to_bytes()) < said + 2000 + 3000  # each has its length in front


@pytest.mark.parametrize("queued", [False, True])
def test_what_snapshots_have_in_common_is_kept_once(queued: bool) -> None:
    long = {"instructions": "x" * 100_000}
    machine = ResponsesEncoder(
        Snapshot(long, response_id="resp_1", created_at=1, model="m"), options=EncoderOptions(keep_log=True)
    )
    told = tell(machine, [TextDelta("a")], queued=queued)
    assert log_of(machine).render(0, 9)[0] == told
    snapshots = [entry for entry in log_of(machine).entries if isinstance(entry, tuple)]
    assert len({id(entry[2]) for entry in snapshots}) == 1
    assert all(len(entry[1]) < 1000 for entry in snapshots)
    assert 100_000 < log_of(machine).size < 103_000
    told += machine.encode([Finish()])
    assert log_of(machine).render(0, 99)[0] == told
    assert any(isinstance(entry, tuple) and entry[1] is machine.final() for entry in log_of(machine).entries)
    assert len(log_of(machine).to_bytes()) < 3000


def test_calls_that_take_turns_are_read_as_they_came() -> None:
    machine = encoder(keep_log=True)
    turns: list[Event] = [ToolCallDelta(number % 2, '"') for number in range(50)]
    told = tell(machine, [*call(0, "f", "["), *call(1, "g", "["), *turns, Finish()])
    check_log(log_of(machine), told)


@pytest.mark.parametrize("read", [1, 256])
def test_reading_costs_no_more_than_what_is_read(read: int) -> None:
    def work(size: int) -> None:
        log = EventLog()
        for number in range(size):
            log.delta((TEMPLATE, OTHER)[number // 10 % 2], "a")
        position = 0
        while position < size:
            _, position = log.render(position, read)

    check_growth(work, 2000)


# --- stored


def test_damage_is_noticed() -> None:
    data = small().to_bytes()
    dice = random.Random(3)
    passed = 0
    for _ in range(300):
        place = dice.randrange(len(data))
        changed = data[:place] + bytes([data[place] ^ 1 << dice.randrange(8)]) + data[place + 1 :]
        with contextlib.suppress(ValueError):  # some bits of the frame's head say nothing
            assert EventLog.from_bytes(changed).render(0, 100) == EventLog.from_bytes(data).render(0, 100)
            passed += 1
    assert passed < 30


@pytest.mark.parametrize("cut", range(0, 60, 3))
def test_what_was_cut_short_is_noticed(cut: int) -> None:
    with pytest.raises(ValueError, match="no event log"):
        EventLog.from_bytes(small().to_bytes()[:cut])


def stored_1(**changes: Any) -> bytes:
    """Returns a log as version 1 has stored it, which may be made wrong behind its compression."""
    fields: dict[str, Any] = {
        "version": 1,
        "done_marker": True,
        "ended": True,
        "templates": [TEMPLATE, OTHER],
        "spells": [[0, 1], [1, 0]],
        "parts": [b"{", b"}"],
        "rendered": [b"event: x\ndata: {}\n\n"],
        "entries": ["a", None, ["response.created", 0, 1]],
    }
    return zstd.compress(msgspec.msgpack.encode(list({**fields, **changes}.values())))


def stored(**changes: Any) -> bytes:
    """Returns a log as it is stored now, which may be made wrong behind its checksum."""
    fields: dict[str, Any] = {
        "version": 2,
        "done_marker": True,
        "ended": True,
        "templates": [TEMPLATE, OTHER],
        "spells": [[0, 1], [1, 0]],
        "parts": [b"{", b"}"],
        "entries": ["a", b"event: x\ndata: {}\n\n", ["response.created", 0, 1]],
    }
    data = msgspec.msgpack.encode(list({**fields, **changes}.values()))
    return data + zlib.crc32(data).to_bytes(4, "big")


SENSELESS = [
    {"version": 3},
    {"done_marker": None},
    {"templates": [TEMPLATE, b"%d"]},
    {"templates": [TEMPLATE, b"%d %b %b"]},
    {"templates": [TEMPLATE, b"%z"]},
    {"templates": [TEMPLATE]},
    {"spells": [[0, -1]]},
    {"spells": [[1, 1], [0, 0]]},
    {"spells": [[-1, 1]]},
    {"spells": [[1, 1]]},
    {"spells": []},
    {"parts": [b"{"]},
    {"entries": ["a", None, ["response.created", -1, 1]]},
    {"entries": ["a", None, ["response.created", 0, -1]]},
    {"entries": ["a", b"", ["response.created", -1, 1]]},
    {"entries": ["a", b"", ["response.created", 0, -1]]},
    {"entries": ["a", None, 7]},
    {"entries": ["a", None, [b"x", 0, 0]]},
    {"more": 1, "entries": None},
    {"more": 1},
]


@pytest.mark.parametrize("make", [stored, stored_1])
@pytest.mark.parametrize("changes", SENSELESS)
def test_what_makes_no_sense_is_refused(changes: dict[str, Any], make: Callable[..., bytes]) -> None:
    assert EventLog.from_bytes(make()).render(0, 9)[1] == 4
    with pytest.raises(ValueError, match="no event log"):
        EventLog.from_bytes(make(**changes))


@pytest.mark.parametrize("changes", [{"version": 2}, {"rendered": []}, {"rendered": [b"a", b"b"]}])
def test_what_makes_no_sense_in_version_1_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="no event log"):
        EventLog.from_bytes(stored_1(**changes))


def test_what_version_1_has_stored_is_what_is_stored_now() -> None:
    log = EventLog.from_bytes(stored_1())
    assert log.entries == EventLog.from_bytes(stored()).entries
    assert EventLog.from_bytes(log.to_bytes()).render(0, 9) == log.render(0, 9)


def test_only_a_long_log_is_compressed() -> None:
    texts = [f"word{number} " for number in range(20_000)]
    short, long = EventLog(), EventLog()
    for log, count in ((short, 200), (long, 20_000)):
        log.use(TEMPLATE)
        log.entries += texts[:count]
    assert b"word199 " in short.to_bytes()
    assert len(long.to_bytes()) < 100_000 < len("".join(texts))
    assert EventLog.from_bytes(long.to_bytes()).entries == texts


@pytest.mark.parametrize(
    "data", [b"", b"garbage", zstd.compress(b""), zstd.compress(b"{}"), b"(\xb5/\xfd", b"\x00" * 99]
)
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="no event log"):
        EventLog.from_bytes(data)


def test_something_behind_a_log_is_refused() -> None:
    with pytest.raises(ValueError, match="no event log"):
        EventLog.from_bytes(small().to_bytes() * 2)


def test_a_log_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    data = small().to_bytes()
    monkeypatch.setattr(event_log, "LARGEST", 200)
    assert small().to_bytes() == b""
    with pytest.raises(ValueError, match="too large"):
        EventLog.from_bytes(data)


def test_other_compression_can_be_read() -> None:
    events = events_of(small().render(0, 9)[0])
    again = zstd.compress(small().to_bytes()[:-4], level=19)
    assert events_of(EventLog.from_bytes(again).render(0, 5)[0]) == events
