"""One request of Converse on its way: for whom it is, what was said so far, and its parts as they come together."""

from __future__ import annotations

from typing import Any

import msgspec

from ...api.responses.request import ResponsesRequest
from ..effects import Ignore
from .config import BedrockProfile
from .content import text_blocks
from .families import Family
from .messages import Conversation


class Target(msgspec.Struct, kw_only=True):
    """Whom a request is for. `thoughts` and `strict` are off when the upstream has refused them a moment ago.

    `model` is the one behind the id that is asked.
    """

    model: str
    family: Family
    profile: BedrockProfile
    thoughts: bool = True
    strict: bool = True
    show_thinking: bool = False


class Draft:
    """One request on its way: what the functions that build its body read and write.

    `extra` goes to the model as it is.
    """

    __slots__ = ("body", "extra", "hint", "inference", "request", "said", "target")

    def __init__(self, request: ResponsesRequest, target: Target, said: Conversation, hint: Ignore) -> None:
        self.request = request
        self.target = target
        self.said = said
        self.hint = hint
        self.body: dict[str, Any] = {}
        self.inference: dict[str, Any] = {}
        self.extra: dict[str, Any] = {}

    def instruct(self, text: str) -> None:
        """Adds to what the model is told before all else."""
        self.said.system += text_blocks(text)
