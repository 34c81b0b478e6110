from __future__ import annotations

import base64
import json

import pytest

from proxy.providers.anthropic.sealing import blocks_of, opened, sealer, wrapped
from proxy.providers.chat.sealing import seal, unseal
from proxy.sealing import Sealing
from tests.support.messages_asked import thought

SEALING = Sealing(["a key"])
REDACTED = {"type": "redacted_thinking", "data": "xyz"}
BLOCKS = [thought("what nobody else may read"), REDACTED, thought("", "c2ln")]


def test_blocks_come_back_as_they_were() -> None:
    text = sealer("claude-opus-5", SEALING)({"field": "thinking_blocks", "details": BLOCKS}, "a")
    assert text is not None
    assert opened(text, SEALING) == BLOCKS
    assert b"nobody" not in base64.urlsafe_b64decode(text[5:] + "==")
    sealed = unseal(text, SEALING)
    assert sealed is not None
    assert (sealed.family, sealed.model) == ("anthropic", "claude-opus-5")


def test_nothing_is_sealed_where_nothing_can_come_back() -> None:
    assert sealer("m", SEALING)({}, "only text") is None
    assert sealer("m", SEALING)({"details": [{"type": "thinking", "thinking": "a"}]}, "a") is None


def test_what_others_have_sealed_never_goes_to_claude() -> None:
    assert opened(seal("chat", "qwen", {"details": BLOCKS}, SEALING), SEALING) == []
    assert opened(seal("gemini", "g", {"details": BLOCKS}, SEALING), SEALING) == []
    assert opened("gAAAAAB-an-encrypted-item-of-openai", SEALING) == []


def test_what_cannot_be_opened_is_nothing() -> None:
    text = sealer("m", SEALING)({"details": BLOCKS}, "")
    assert text is not None
    assert opened(text, Sealing.fresh()) == []
    assert opened(text[:-3], SEALING) == []
    assert opened("", SEALING) == []


def test_what_a_chat_client_gave_back() -> None:
    assert opened(wrapped(BLOCKS), SEALING) == BLOCKS


def test_the_bare_list_of_another_proxy() -> None:
    assert opened(json.dumps(BLOCKS), SEALING) == BLOCKS
    assert opened("[not json", SEALING) == []
    assert opened('["\ud800"]', SEALING) == []


@pytest.mark.parametrize(
    "details",
    [
        None,
        5,
        [5, None],
        [{"type": "text", "text": "a"}],
        [{"type": "thinking", "thinking": "a", "signature": ""}],
        [{"type": "thinking", "thinking": 5, "signature": "s"}],
        [{"type": "redacted_thinking"}],
        [{"type": "redacted_thinking", "data": ""}],
    ],
)
def test_what_is_no_block_of_thinking(details: object) -> None:
    assert blocks_of(details) == []


def test_nothing_but_its_fields_stays_of_a_block() -> None:
    assert blocks_of([{**thought("a"), "cache_control": {}, "index": 3}]) == [thought("a")]


CALL = {"type": "server_tool_use", "id": "s1", "name": "web_search", "input": {"query": "cats"}}
RESULT = {"type": "web_search_tool_result", "tool_use_id": "s1", "content": [{"type": "web_search_result"}]}


def test_what_claudes_own_tools_did_comes_back_sealed_alone() -> None:
    blocks = [thought("a"), CALL, RESULT, REDACTED]
    text = sealer("m", SEALING)({"details": blocks}, "")
    assert text is not None
    assert opened(text, SEALING) == blocks
    assert opened(json.dumps(blocks), SEALING) == blocks_of(blocks) == [thought("a"), REDACTED]


def test_a_call_without_its_result_stays_away() -> None:
    assert sealer("m", SEALING)({"details": [CALL]}, "") is None
    text = sealer("m", SEALING)({"details": [RESULT, CALL, thought("a"), RESULT, RESULT]}, "")
    assert text is not None
    assert opened(text, SEALING) == [thought("a"), CALL, RESULT]
