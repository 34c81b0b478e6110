"""Makes the table that ships out of its source: `python -m proxy.pricing.convert SOURCE [TARGET]`.

The source is a JSON file `{"_meta", "models", "aliases"}` with prices, limits and abilities of models; only the prices
are kept, digit by digit. One line a model, so that a new table shows what has changed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from .table import FILE

_KEPT = ("in", "out", "cache_read", "cache_write", "cache_write_1h", "reasoning", "audio_in", "audio_out")
_PARTS = ("tiers", "service_tiers", "web_search_call")
_USUAL = "in"
_LIKE_TEXT = "image_in"
"""The table has a price for images; as long as it is that of text, nothing need be counted apart."""

_encode = msgspec.json.Encoder(decimal_format="number").encode


def converted(source: bytes) -> bytes:
    """Returns the table for a source. Raises ValueError when the source has prices that the table could not say."""
    whole = msgspec.json.Decoder(float_hook=Decimal).decode(source)
    rows = {name: _row(name, row) for name, row in whole["models"].items()}
    head = {"as_of": whole["_meta"]["as_of"], "origin": whole["_meta"]["origin"]}
    return b"{%b,\n%b,\n%b}\n" % (
        _encode(head)[1:-1],
        b'"models":{\n%b}' % _lines(rows),
        b'"aliases":{\n%b}' % _lines(whole["aliases"]),
    )


def _row(name: str, row: dict[str, Any]) -> dict[str, Any]:
    if row.get(_LIKE_TEXT, row[_USUAL]) != row[_USUAL]:
        raise ValueError(f"{name} charges images apart")
    return {key: row[key] for key in (*_KEPT, *_PARTS) if key in row}


def _lines(values: dict[str, Any]) -> bytes:
    return b",\n".join(b"%b:%b" % (_encode(name), _encode(value)) for name, value in values.items()) + b"\n"


def main(arguments: Sequence[str]) -> int:
    """Writes the table; returns the exit code."""
    if len(arguments) not in (1, 2):
        print(__doc__, file=sys.stderr)
        return 2
    target = Path(arguments[1]) if len(arguments) == 2 else FILE
    target.write_bytes(converted(Path(arguments[0]).read_bytes()))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
