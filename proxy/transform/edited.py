"""Changes to the objects that clients get: fields set and removed at the top of a Response or a completion.

The encoders look at them while they render, so that every state of a response shows the same: in the stream, at its
end, when it is retrieved.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from ..exchange import Exchange

Changes = dict[str, msgspec.Raw | None]
"""The new JSON of each field, None for one that is removed."""

_MARK = "answer_fields"
_ABOVE = "answer_fields_above_route"

_decode_fields = msgspec.json.Decoder(dict[str, msgspec.Raw]).decode


def fields_of(exchange: Exchange) -> Changes:
    """Returns what is changed about the answer to an exchange: one table for all attempts, empty to begin with."""
    found: Changes = exchange.marks.setdefault(_MARK, {})
    return found


def forget_last_fields(exchange: Exchange) -> None:
    """Takes back changes that were meant for the answer of an earlier attempt."""
    if exchange.deployment is None:
        return
    changed = fields_of(exchange)
    above, attempt = exchange.marks.get(_ABOVE, (None, 0))
    if above is None:
        above = dict(changed)
    if attempt != len(exchange.attempts):
        changed.clear()  # the encoder has this very table
        changed.update(above)
        exchange.marks[_ABOVE] = (above, len(exchange.attempts))


def edited(answer: bytes, changed: Mapping[str, msgspec.Raw | None]) -> bytes:
    """Returns the JSON of an answer's object with the changes made."""
    fields = _decode_fields(answer)
    for name, value in changed.items():
        if value is None:
            fields.pop(name, None)
        else:
            fields[name] = value
    return msgspec.json.encode(fields)
