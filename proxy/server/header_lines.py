"""Reads headers that are plain: nobody could read them in two ways."""

from __future__ import annotations

import re
from collections.abc import Set

from ..compiled import compiled_if_built

_MOST = 64
_is_name = re.compile(r"[A-Za-z0-9_-]{1,64}").fullmatch


@compiled_if_built
class HeaderLines:
    """Reads lines of headers, among which none of the names in `refused` may be, in lower case."""

    __slots__ = ("_refused",)

    def __init__(self, refused: Set[str]) -> None:
        self._refused = refused

    def read(self, lines: bytes) -> dict[str, str] | None:
        """Returns headers by their names in lower case; None where one comes twice, is refused, or is not plain: a
        name, a colon, a space, and printable characters of ASCII, which neither begin nor end with a space.
        """
        text = lines.decode("latin-1")
        given = text.split("\r\n")
        if not text.isascii() or not text.replace("\r\n", "").isprintable() or len(given) > _MOST:
            return None
        headers: dict[str, str] = {}
        for line in given:
            name, _, value = line.partition(": ")
            if not _is_name(name) or not value or value[0] == " " or value[-1] == " ":
                return None
            headers[name.lower()] = value
        return headers if len(headers) == len(given) and self._refused.isdisjoint(headers) else None
