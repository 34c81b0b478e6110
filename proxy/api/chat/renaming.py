"""Puts an id of ours and the client's name of the model into chunks that are passed on. Sans-IO.

Where both stand in a chunk differs from server to server, and within a stream it is always the same: in front of the
choices, or behind them. So the bytes around them are learned from one chunk, and those of the next are put in their
place as they are. What is not as it was learned is read as JSON and written anew; its other values stay the bytes they
were.

A value of JSON cannot hold what is learned by chance: a quotation mark inside a string has a backslash in front of it.
"""

from __future__ import annotations

import msgspec

_Fields = dict[str, msgspec.Raw]

_SEPARATORS = ((b",", b":"), (b", ", b": "))
"""What servers write between members, and between a name and its value."""

_PATIENCE = 32
"""How often names are learned in one answer: again where a server tells the time, in vain where no two ids agree."""

_decode = msgspec.json.Decoder(_Fields).decode
_encode = msgspec.json.encode


class Renaming:
    """What one answer is called. A chunk that begins with `theirs`, which is of that `length`, is to begin with `ours`
    instead; `renamed` sees to all others.
    """

    __slots__ = ("_named", "_our_tail", "_patience", "_their_tail", "length", "ours", "theirs")

    def __init__(self, id: str, model: str) -> None:
        self._named: _Fields = {"id": msgspec.Raw(_encode(id)), "model": msgspec.Raw(_encode(model))}
        self._their_tail = b""
        self._our_tail = b""
        self._patience = _PATIENCE
        self.theirs = b"["  # no chunk does, as long as nothing was learned
        self.length = 0
        self.ours = b""

    def renamed(self, data: bytes) -> bytes:
        """Returns a chunk, or a whole answer, under our names. Members that it lacks are not added."""
        if self._their_tail and (at := data.rfind(self._their_tail)) >= 0:
            return data[:at] + self._our_tail + data[at + len(self._their_tail) :]
        try:
            fields = _decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError):
            return data  # so sloppy that only its errors are of interest
        ours = {name: raw for name, raw in self._named.items() if name in fields}
        if not ours:
            return data
        if "choices" in fields and self._patience:
            self._patience -= 1
            self._learn(data, fields, ours)
        return _encode(fields | ours)

    def _learn(self, data: bytes, fields: _Fields, ours: _Fields) -> None:
        """Learns what stands around the names, if they all stand on one side of the choices."""
        names = list(fields)
        place = names.index("choices")
        front, behind = names[:place], names[place + 1 :]
        for comma, colon in _SEPARATORS:
            if all(name in front for name in ours):
                start, end = b"{", comma + b'"choices"' + colon
                theirs = start + _members(front, fields, comma, colon) + end
                if data.startswith(theirs):
                    self.theirs, self.length = theirs, len(theirs)
                    self.ours = start + _members(front, fields | ours, comma, colon) + end
                    return
            elif all(name in behind for name in ours):
                run = behind[: max(map(behind.index, ours)) + 1]
                theirs = b"]" + comma + _members(run, fields, comma, colon)
                if data.count(theirs) == 1:
                    self._their_tail, self._our_tail = theirs, b"]" + comma + _members(run, fields | ours, comma, colon)
                    return


def _members(names: list[str], fields: _Fields, comma: bytes, colon: bytes) -> bytes:
    """Returns members of an object as they stand between its braces."""
    return comma.join(_encode(name) + colon + fields[name] for name in names)
