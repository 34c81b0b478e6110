from __future__ import annotations

import pytest

from proxy.providers.anthropic.wire import UNREADABLE, decode_event, decode_leniently


def test_only_what_is_read_is_kept() -> None:
    event = decode_event(
        b'{"type":"content_block_start","index":3,"more":[1],"content_block":{"type":"tool_use","id":"a","name":"f",'
        b'"input":{"x": 1},"caller":{"type":"direct"}}}'
    )
    assert event.content_block is not None
    assert (event.index, event.content_block.name, bytes(event.content_block.input)) == (3, "f", b'{"x": 1}')


@pytest.mark.parametrize(
    ("payload", "text"),
    [
        (rb'{"type":"t","delta":{"text":"a\ud83d"}}', "a\ufffd"),
        (rb'{"type":"t","delta":{"text":"\ud83d\ude00"}}', "\U0001f600"),
        (b'{"type":"t","delta":{"text":"a\xff"}}', "a\ufffd"),
        (b'{"type":"t","index":"0","delta":{"text":"b"}}', "b"),
    ],
)
def test_sloppy_events_are_mended(payload: bytes, text: str) -> None:
    read = decode_leniently(payload)
    assert read is not None
    event, mended = read
    assert event.delta is not None
    assert event.delta.text == text
    assert mended.decode()


@pytest.mark.parametrize(
    "payload", [b"", b"{", b"[]", b"5", b'"a"', b'{"type":[]}', b'{"delta":{"text":{}}}', b"[" * 9999]
)
def test_what_cannot_be_mended(payload: bytes) -> None:
    assert decode_leniently(payload) is None
    with pytest.raises(UNREADABLE):
        decode_event(payload)
