"""JSON that is passed on unread: telling whether it says anything."""

from __future__ import annotations

import msgspec

Raw = msgspec.Raw

ABSENT = Raw()
"""The default of a field that was not there."""

_NULL = Raw(b"null")


def given(raw: Raw | None) -> bool:
    """Tells whether a field is there and not null: null means "not given" in every field of the API."""
    return raw is not None and len(raw) > 0 and raw != _NULL
