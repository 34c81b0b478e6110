"""Reads that are the same bytes every time but for one JSON string."""

from __future__ import annotations

import msgspec

from ...compiled import compiled_if_built

_decode_string = msgspec.json.Decoder(str).decode


@compiled_if_built
class StringFrame:
    """The bytes in front of a string (`prefix`, None as long as they are not known) and behind it (`suffix`).

    `seen` is set whenever a read was in the frame; `kept`, if there is such a list, gets what it said.
    """

    __slots__ = ("kept", "prefix", "seen", "suffix")

    def __init__(self) -> None:
        self.prefix: bytes | None = None
        self.suffix = b""
        self.kept: list[str] | None = None
        self.seen = False

    def text(self, read: bytes) -> str:
        """Returns the string of a read in this frame; "" for any other read. Hot: once a read."""
        prefix = self.prefix
        if prefix is None:
            return ""
        rest = read.removeprefix(prefix)  # which costs less than asking whether it begins so, and then a slice
        string = rest.removesuffix(self.suffix)
        if rest is read or string is rest or not (string.startswith(b'"') and string.endswith(b'"')):
            return ""  # also where there is white space: a line end would make it two lines of an event
        try:
            text = _decode_string(string)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return ""
        self.seen = True
        if self.kept is not None and text:
            self.kept.append(text)
        return text
