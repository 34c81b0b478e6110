"""How thinking travels: sealed, opened by models of its maker alone, and in Converse's form."""

from __future__ import annotations

from typing import Any

import pytest

from proxy.providers.anthropic.sealing import sealer as anthropic_sealer
from proxy.providers.anthropic.sealing import wrapped
from proxy.providers.bedrock.sealing import opened, reasoning_block, sealer
from proxy.providers.chat.sealing import seal
from tests.support.asked import SEALING

CLAUDE = "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
OPUS = "arn:aws:bedrock:us-east-1:123456789012:inference-profile/global.anthropic.claude-opus-4-6-v1"
NOVA = "us.amazon.nova-2-lite-v1:0"
BLOCKS = [
    {"type": "thinking", "thinking": "Hm.", "signature": "c2ln"},
    {"type": "redacted_thinking", "data": "Redacted"},
]


def sealed(model: str = CLAUDE, blocks: Any = BLOCKS) -> str:
    """Returns the sealed form of blocks that a model made."""
    made = sealer(model, SEALING)({"field": "thinking_blocks", "details": blocks}, "Hm.")
    assert made is not None
    return made


def test_blocks_come_back_as_they_were() -> None:
    assert opened(sealed(), CLAUDE, SEALING) == BLOCKS


def test_nobody_reads_them_on_the_way() -> None:
    assert sealed().startswith("pst2.")
    assert "Redacted" not in sealed()


def test_models_of_one_maker_take_each_others_thinking_and_no_others() -> None:
    assert opened(sealed(), OPUS, SEALING) == BLOCKS
    assert opened(sealed(), NOVA, SEALING) == []
    assert opened(sealed(NOVA), CLAUDE, SEALING) == []


def test_what_other_providers_sealed_is_not_taken() -> None:
    theirs = anthropic_sealer("claude-sonnet-4-5", SEALING)({"details": BLOCKS}, "")
    assert theirs is not None
    assert opened(theirs, CLAUDE, SEALING) == []
    assert opened(seal("chat", "m", {"details": BLOCKS}, SEALING), CLAUDE, SEALING) == []
    assert opened("gAAAAABopaque", CLAUDE, SEALING) == []


def test_what_a_chat_client_gave_back_is_taken() -> None:
    assert opened(wrapped(BLOCKS), CLAUDE, SEALING) == BLOCKS


@pytest.mark.parametrize("state", [{}, {"details": []}, {"details": [{"type": "thinking", "thinking": "unsigned"}]}])
def test_text_alone_is_not_sealed(state: dict[str, Any]) -> None:
    assert sealer(CLAUDE, SEALING)(state, "Hm.") is None


def test_the_form_that_converse_takes() -> None:
    assert [reasoning_block(block) for block in BLOCKS] == [
        {"reasoningContent": {"reasoningText": {"text": "Hm.", "signature": "c2ln"}}},
        {"reasoningContent": {"redactedContent": "UmVkYWN0ZWQ="}},
    ]
    binary = {"type": "redacted_thinking", "data": "base64://8="}
    assert reasoning_block(binary) == {"reasoningContent": {"redactedContent": "//8="}}
