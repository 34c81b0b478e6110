"""What is read of Converse's events, and what bad ones are mended to."""

from __future__ import annotations

import pytest

from proxy.api.raw import Raw
from proxy.providers.bedrock.wire import UNREADABLE, decode_block_event, read_block_event, read_end


def test_padding_and_unknown_fields_are_passed_over() -> None:
    event = decode_block_event(b'{"contentBlockIndex":3,"delta":{"text":"x","later":[]},"p":"abc","q":{}}')
    assert (event.content_block_index, event.start) == (3, None)
    assert event.delta is not None
    assert event.delta.text == "x"


def test_input_stays_json() -> None:
    event = decode_block_event(b'{"delta":{"toolUse":{"input":"{\\"a\\":1}"}}}')
    assert event.delta is not None
    assert event.delta.tool_use is not None
    assert event.delta.tool_use.input == Raw(b'"{\\"a\\":1}"')


def test_what_does_not_fit_is_mended() -> None:
    raw = b'{"contentBlockIndex":"2","delta":{"text":"a\\ud800"}}'
    with pytest.raises(UNREADABLE):
        decode_block_event(raw)
    event = read_block_event(raw)
    assert event is not None
    assert event.content_block_index == 2
    assert event.delta is not None
    assert event.delta.text == "a\ufffd"


@pytest.mark.parametrize("raw", [b"", b"{oops", b"[]", b'"x"', b"1", b'{"contentBlockIndex":"two"}'])
def test_what_is_no_event_is_none(raw: bytes) -> None:
    assert read_block_event(raw) is None


def test_the_end_of_a_stream_and_a_whole_answer_have_one_form() -> None:
    end = read_end(
        b'{"stopReason":"end_turn","usage":{"inputTokens":1},"output":{"message":{"content":[{"text":"x"}]}}}'
    )
    assert end is not None
    assert (end.stop_reason, end.usage) == ("end_turn", {"inputTokens": 1})
    assert end.output is not None
    assert end.output.message is not None
    assert [block.text for block in end.output.message.content or ()] == ["x"]
