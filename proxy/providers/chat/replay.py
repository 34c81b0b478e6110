"""Gives a model its earlier thinking back, in the spelling that its server wants."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ...api.responses.items import Reasoning
from ...api.responses.parts import ReasoningText
from ...api.responses.turns import ModelTurn
from ...sealing import Sealing
from .profile import ChatProfile
from .sealing import FAMILY, LOST, unseal

_SPELLINGS = frozenset(("reasoning_content", "reasoning", "reasoning_details"))
_PLACEHOLDER = " "


def replayed(turn: ModelTurn, profile: ChatProfile, sealing: Sealing, ignore: Callable[[str], None]) -> dict[str, Any]:
    """Returns the fields of thinking for the message of a turn, often none.

    Thinking comes from our own seal, or as plain text of the item; what others have sealed, and summaries, are left
    out. `auto` gives it back only where servers need it, in turns with tool calls. A server that is set to demand
    `reasoning_content` gets a blank where nothing is known: it refuses the whole request otherwise. `ignore` is told of
    thinking that this upstream cannot be given.
    """
    mode = profile.replay_reasoning
    texts: list[str] = []
    details: list[Any] = []
    spelling = ""
    for thought in turn.thoughts:
        state = _state(thought, sealing) if mode != "never" else {}
        if thought.encrypted_content and not state:
            ignore(LOST)
        field = state.get("field")
        spelling = spelling or (field if isinstance(field, str) else "")
        details.extend(_list(state.get("details")))
        texts.append(_text(thought, state))
    if mode == "never" or (mode == "auto" and not turn.calls):
        return {}
    text = "".join(texts)
    if mode != "auto":
        spelling = mode
    if spelling not in _SPELLINGS:
        return {}
    if spelling == "reasoning_details":
        return {spelling: details} if details else {}
    if not text and mode == "reasoning_content" and turn.calls:
        text = _PLACEHOLDER
    return {spelling: text} if text else {}


def _state(thought: Reasoning, sealing: Sealing) -> dict[str, Any]:
    sealed = unseal(thought.encrypted_content, sealing) if thought.encrypted_content else None
    return sealed.state if sealed is not None and sealed.family == FAMILY else {}


def _text(thought: Reasoning, state: dict[str, Any]) -> str:
    """Returns the thinking itself: sealed, or as the item shows it."""
    text = state.get("text")
    if isinstance(text, str) and text:
        return text
    if not thought.content:
        return ""
    return "".join([part.text for part in thought.content if isinstance(part, ReasoningText)])


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []
