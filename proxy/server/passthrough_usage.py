"""Finds the count of tokens at the end of an answer that is passed on unread. Sans-IO."""

from __future__ import annotations

import json
import re

from ..events import Usage
from ..providers.chat.usage import usage_from_chat
from ..providers.responses.usage import usage_from_responses

_KEPT = 4096
_EVENT = b"data:"
_TRIES = 8
_KEY = re.compile(r'"usage"\s*:\s*\{')
_decode = json.JSONDecoder().raw_decode


class UsageTail:
    """Keeps the last bytes of an answer, in which servers say what it has used. Hot: once a read.

    `events` is how many pieces a stream has had so far.
    """

    __slots__ = ("_tail", "events")

    def __init__(self) -> None:
        self._tail = b""
        self.events = 0

    def feed(self, data: bytes) -> None:
        """Takes the next bytes."""
        self.events += (self._tail[1 - len(_EVENT) :] + data).count(_EVENT)
        self._tail = data[-_KEPT:] if len(data) >= _KEPT else (self._tail + data)[-_KEPT:]

    def usage(self) -> Usage | None:
        """Returns the last usage that the answer tells, in the words of either API; None when there is none."""
        text = self._tail.decode("utf-8", "replace")
        for place in [found.end() - 1 for found in _KEY.finditer(text)][::-1][:_TRIES]:
            try:
                fields, _ = _decode(text, place)
            except (ValueError, RecursionError):
                continue
            usage = usage_from_chat(fields) if "prompt_tokens" in fields else usage_from_responses(fields)
            if usage.total_tokens:
                return usage
        return None

    def estimate(self, input_tokens: int) -> Usage:
        """Returns a guess for an answer that was cut before it told: a token for each piece of a stream."""
        total = input_tokens + self.events
        return Usage(input_tokens, self.events, total_tokens=total, estimated=True)
