"""Reading one event, as it should be and as it comes."""

from __future__ import annotations

import json

import pytest

from proxy.providers.responses.event import OTHER_NAMES, read_event, read_object


def test_an_event_is_read() -> None:
    data = b'{"type":"response.output_text.delta","sequence_number":4,"output_index":1,"item_id":"m","content_index":0,'
    seen = read_event(data + b'"delta":"Hi","logprobs":[],"new":{"a":[1]}}')
    assert seen is not None
    assert (seen.type, seen.sequence_number, seen.output_index, seen.item_id) == (
        "response.output_text.delta",
        4,
        1,
        "m",
    )
    assert (seen.content_index, seen.delta, bytes(seen.logprobs)) == (0, "Hi", b"[]")


@pytest.mark.parametrize("name", ["text", "refusal", "arguments", "input"])
def test_the_whole_value_of_a_done_event(name: str) -> None:
    seen = read_event(json.dumps({"type": "x", name: "all"}).encode())
    assert seen is not None
    assert seen.whole() == "all"


def test_nothing_is_the_whole_of_nothing() -> None:
    seen = read_event(b'{"type":"x"}')
    assert seen is not None
    assert seen.whole() is None


@pytest.mark.parametrize(
    ("body", "name", "value"),
    [
        ({"output_index": "1", "delta": "a"}, "delta", "a"),
        ({"delta": {"text": "a"}, "item_id": 7}, "delta", "a"),
        ({"delta": ["a"]}, "delta", None),
        ({"arguments": {"a": 1}}, "arguments", '{"a": 1}'),
        ({"sequence_number": True}, "sequence_number", None),
        ({"sequence_number": 3, "item_id": 1}, "sequence_number", 3),
    ],
)
def test_a_sloppy_event_loses_what_does_not_fit(body: dict[str, object], name: str, value: object) -> None:
    seen = read_event(json.dumps(body).encode())
    assert seen is not None
    assert getattr(seen, name) == value


def test_what_a_sloppy_event_holds_is_kept() -> None:
    seen = read_event(b'{"type":"t","delta":7,"item":{"id":"\\ud83d"},"logprobs":[1]}')
    assert seen is not None
    assert read_object(seen.item) == {"id": "�"}
    assert bytes(seen.logprobs) == b"[1]"


@pytest.mark.parametrize("data", [b"", b"[1]", b"7", b"{", b"[DONE]", b"[" * 100_000])
def test_what_is_no_object_is_no_event(data: bytes) -> None:
    assert read_event(data) is None


@pytest.mark.parametrize("data", [b"[1]", b"", b"nonsense", b'{"a":\xff}'])
def test_what_is_no_object_is_an_empty_one(data: bytes) -> None:
    assert read_object(data) == {}


def test_no_name_leads_to_another_name() -> None:
    assert not set(OTHER_NAMES.values()) & set(OTHER_NAMES)
