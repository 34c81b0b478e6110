"""How thinking of Bedrock's models travels: sealed to Responses clients, as it is to chat clients, and back to Bedrock.

What has to come back are blocks in the form of the Messages API, `{"type": "thinking", "thinking", "signature"}` and
`{"type": "redacted_thinking", "data"}`, unchanged and in their order, whichever of Bedrock's two APIs gave them. The
envelope is that of all providers, of the family `bedrock` and with `{"details": [block, ...]}`: what bears another
family is somebody else's, and so is what a model of another maker thought.
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any

from ...sealing import Sealing
from ..anthropic.sealing import FAMILY as MESSAGES
from ..anthropic.sealing import blocks_of
from ..chat.sealing import seal, unseal
from .families import maker

FAMILY = "bedrock"
BINARY = "base64:"
"""Redacted thinking that is no text is kept as base64 behind this."""

Block = dict[str, Any]


def sealer(model: str, sealing: Sealing) -> Callable[[dict[str, Any], str], str | None]:
    """Returns what makes `encrypted_content` of a reasoning item's blocks; its text alone is not worth one."""

    def seal_blocks(state: dict[str, Any], text: str) -> str | None:
        blocks = blocks_of(state.get("details"))
        return seal(FAMILY, model, {"details": blocks}, sealing) if blocks else None

    return seal_blocks


def opened(encrypted: str, model: str, sealing: Sealing) -> list[Block]:
    """Returns the blocks of an item, for a model of the maker whose model made them; none of what another made.

    What a chat client gave back bears no name of a model: it is taken for the model's own.
    """
    sealed = unseal(encrypted, sealing)
    if sealed is None:
        return []
    unnamed = sealed.family == MESSAGES and not sealed.model
    if not unnamed and (sealed.family != FAMILY or maker(sealed.model) != maker(model)):
        return []
    return blocks_of(sealed.state.get("details"))


def reasoning_block(block: Block) -> Block:
    """Returns a block of thinking in Converse's form."""
    if block["type"] == "thinking":
        return {"reasoningContent": {"reasoningText": {"text": block["thinking"], "signature": block["signature"]}}}
    data: str = block["data"]
    encoded = data[len(BINARY) :] if data.startswith(BINARY) else base64.b64encode(data.encode()).decode()
    return {"reasoningContent": {"redactedContent": encoded}}
