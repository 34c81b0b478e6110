"""The client's metadata as Bedrock takes it: for the invocation logs of the account alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_MAX_PAIRS = 16
_TAKEN = re.compile(r"[A-Za-z0-9\s:_@$#=/+,.-]{0,256}")


def request_metadata(said: Mapping[str, Any]) -> dict[str, str]:
    """Returns what of the metadata Bedrock takes: no pair with other characters, and no more than it has room for."""
    taken = {name: text for name, text in said.items() if name and _fits(name) and _fits(text)}
    return dict(list(taken.items())[:_MAX_PAIRS])


def _fits(text: Any) -> bool:
    return isinstance(text, str) and _TAKEN.fullmatch(text) is not None
