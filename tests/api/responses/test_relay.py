"""Events that are passed on into a client's stream."""

from __future__ import annotations

import json
from typing import Any, Literal

import msgspec
import pytest

from proxy.api.responses.event_log import EventLog
from proxy.api.responses.event_writer import EventWriter
from proxy.api.responses.output import Output
from proxy.api.responses.relay import PassedItems, renumbered, template_of
from proxy.events import Passed


class Told:
    """An item of somebody else's."""

    index = 0

    def to_dict(self, status: Literal["in_progress", "completed", "incomplete"]) -> dict[str, Any]:
        return {"id": "x", "status": status}

    def chars(self) -> int:
        return 3


def machines() -> tuple[PassedItems, Output, EventWriter]:
    writer = EventWriter(EventLog())
    output = Output(writer, lambda prefix, index: f"{prefix}_{index}")
    return PassedItems(writer, output), output, writer


ADDED = b'{"type":"response.output_item.added","sequence_number":0,"output_index":0}'


def test_an_event_with_the_right_number_is_the_very_same() -> None:
    items, _, writer = machines()
    out = items.take(Passed("response.output_item.added", Told(), ADDED, 0))
    assert out == b"event: response.output_item.added\ndata: " + ADDED + b"\n\n"
    assert writer.next == 1
    assert writer.log is not None
    assert writer.log.render(0, 9)[0] == out


def test_an_item_is_kept_as_it_was_when_it_was_done() -> None:
    items, output, _ = machines()
    told = Told()
    items.take(Passed("response.output_item.added", told, ADDED, 0))
    assert (items.open_items(), items.chars()) == ([told], 3)
    items.take(Passed("response.output_item.done", told, fields={"output_index": 0}, final=msgspec.Raw(b'{"a": 1}')))
    assert (items.open_items(), output.items(), output.chars()) == ([], [b'{"a": 1}'], 3)
    assert items.take(Passed("", told, final=msgspec.Raw(b'{"a": 2}'))) == b""
    assert (output.items(), output.chars()) == ([b'{"a": 2}'], 3)


def test_open_items_can_be_forgotten() -> None:
    items, _, _ = machines()
    items.take(Passed("response.output_item.added", Told(), ADDED, 0))
    items.drop()
    assert (items.open_items(), items.chars()) == ([], 0)


def test_an_event_that_is_made_up() -> None:
    items, _, writer = machines()
    writer.next = 7
    out = items.take(Passed("response.content_part.added", Told(), fields={"item_id": "x"}))
    data = json.loads(out.split(b"data: ")[1])
    assert data == {"type": "response.content_part.added", "sequence_number": 7, "item_id": "x"}


@pytest.mark.parametrize(
    ("data", "old", "expected"),
    [
        (b'{"a":1,"sequence_number":4,"b":2}', 4, b'{"a":1,"sequence_number":12,"b":2}'),
        (b'{"sequence_number" : 4}', 4, b'{"sequence_number" : 12}'),
        (b'{"a":1} ', None, b'{"a":1,"sequence_number":12}'),
        (
            b'{"d":"\\"sequence_number\\":4","sequence_number":4}',
            4,
            b'{"d":"\\"sequence_number\\":4","sequence_number":12}',
        ),
        (b'{"x":{"sequence_number":4},"sequence_number":4}', 4, b'{"x":{"sequence_number":4},"sequence_number":12}'),
        (b'{"x":{"sequence_number":4}}', None, b'{"x":{"sequence_number":4},"sequence_number":12}'),
        (b'{"sequence_number":null}', None, b'{"sequence_number":12}'),
    ],
)
def test_another_number(data: bytes, old: int | None, expected: bytes) -> None:
    assert renumbered(data, old, 12) == expected


def delta(text: str, number: int, *, swapped: bool = False, **more: Any) -> Passed:
    """Returns a delta as upstreams write it: with its number in front of its text or behind it."""
    fields: dict[str, Any] = {"type": "response.output_text.delta", "sequence_number": number, "item_id": "50%", **more}
    fields["delta"] = text
    if swapped:
        fields = dict(reversed(fields.items()))
    data = json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode()
    return Passed("response.output_text.delta", Told(), data, number, text=text)


@pytest.mark.parametrize("swapped", [False, True])
def test_the_log_keeps_what_deltas_say(swapped: bool) -> None:
    items, _, writer = machines()
    texts = ["Hel", "lo", ' "100 %"\n', "ü", "7"]
    sent = b"".join(items.take(delta(text, at, swapped=swapped)) for at, text in enumerate(texts))
    assert writer.log is not None
    assert [entry for entry in writer.log.entries if isinstance(entry, str)] == texts[1:]
    assert writer.log.render(0, 9)[0] == sent
    writer.log.hold("response.completed", b"{}")
    assert EventLog.from_bytes(writer.log.to_bytes()).render(0, 5)[0] == sent


def test_deltas_that_are_padded_are_kept_as_they_are() -> None:
    items, _, writer = machines()
    sent = b"".join(items.take(delta(str(at), at, obfuscation="x" * (at % 7))) for at in range(40))
    assert writer.log is not None
    assert all(isinstance(entry, bytes) for entry in writer.log.entries)
    assert writer.log.render(0, 99)[0] == sent


@pytest.mark.parametrize(
    "out", [b"", b'{"delta":"x"}', b'{"delta":"x","sequence_number":4}', b'{"delta":"\\u0078","sequence_number":3}']
)
def test_what_has_no_template(out: bytes) -> None:
    assert template_of(out, 3, "x") is None
