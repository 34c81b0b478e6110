"""Cuts text into the tokens of the echo models: words with the white space in front of them, at most 12 characters."""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(r"\s*\S{1,12}|\s+")


def tokens(text: str) -> Iterator[str]:
    """Yields the tokens of a text; joined they are the text."""
    return (match[0] for match in _TOKEN.finditer(text))


def count_tokens(text: str) -> int:
    """Returns how many tokens a text has."""
    return sum(1 for _ in _TOKEN.finditer(text))
