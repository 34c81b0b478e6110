"""How Claude's thinking travels: sealed to Responses clients, as it is to chat clients, and back to Claude alone.

What has to come back are blocks, `{"type": "thinking", "thinking", "signature"}` and `{"type": "redacted_thinking",
"data"}`, unchanged and in their order, and between them what Claude's own tools did: their calls and results. Those
travel sealed alone. The envelope is that of all providers, of the family `anthropic` and with
`{"details": [block, ...]}`: what bears another family is somebody else's and never goes to Claude.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ...sealing import Sealing
from ..chat.sealing import seal, unseal
from .hosted import is_call, is_result_of

FAMILY = "anthropic"

Block = dict[str, Any]


def sealer(model: str, sealing: Sealing) -> Callable[[dict[str, Any], str], str | None]:
    """Returns what makes `encrypted_content` of a reasoning item's blocks; its text alone is not worth one."""

    def seal_blocks(state: dict[str, Any], text: str) -> str | None:
        blocks = state_of(state.get("details"))
        return seal(FAMILY, model, {"details": blocks}, sealing) if blocks else None

    return seal_blocks


def wrapped(blocks: list[Block]) -> str:
    """Returns blocks that a chat client gave back, in the form in which an item carries them."""
    return seal(FAMILY, "", {"details": blocks})


def opened(encrypted: str, sealing: Sealing) -> list[Block]:
    """Returns the blocks of an item; none of what another provider made. Each result stands behind its call.

    A bare JSON list of blocks is taken too: that is how LiteLLM's proxy hands them out.
    """
    if encrypted.startswith("["):
        try:
            return blocks_of(msgspec.json.decode(encrypted))
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return []
    sealed = unseal(encrypted, sealing)
    return state_of(sealed.state.get("details")) if sealed is not None and sealed.family == FAMILY else []


def blocks_of(details: Any) -> list[Block]:
    """Returns the blocks of thinking in a list; what has no signature nobody would take back."""
    return [made for one in (details if isinstance(details, list) else ()) if (made := _block(one)) is not None]


def state_of(details: Any) -> list[Block]:
    """Returns the blocks of thinking in a list, and those of calls of Claude's own tools with their results."""
    made: list[Block] = []
    call: Block | None = None
    for one in details if isinstance(details, list) else ():
        block = _block(one)
        if block is not None:
            made.append(block)
        elif is_call(one):
            call = one
        elif call is not None and is_result_of(call, one):
            made += [call, one]
            call = None
    return made


def _block(one: Any) -> Block | None:
    if not isinstance(one, dict):
        return None
    if one.get("type") == "redacted_thinking":
        data = one.get("data")
        return {"type": "redacted_thinking", "data": data} if isinstance(data, str) and data else None
    text, signature = one.get("thinking"), one.get("signature")
    if one.get("type") != "thinking" or not isinstance(text, str) or not isinstance(signature, str) or not signature:
        return None
    return {"type": "thinking", "thinking": text, "signature": signature}
