"""How a key of the store is shown to people and programs: all but its secret."""

from __future__ import annotations

from typing import Any

from .attributes import plain_attributes
from .key_store import KeyRecord


def shown(record: KeyRecord, now: float) -> dict[str, Any]:
    """Returns a key as JSON-like data; times are Unix seconds, but for `expires`, which is as it was given."""
    fields: dict[str, Any] = {"object": "key", "id": record.id, "prefix": record.prefix, "status": record.status(now)}
    fields.update(plain_attributes(record.attributes))
    fields["created_at"] = int(record.created)
    if record.rotated is not None:
        fields["rotated_at"] = int(record.rotated)
    if record.old_until is not None and record.old_until > now and record.revoked is None:
        fields["old_key_until"] = int(record.old_until)
    if record.revoked is not None:
        fields["revoked_at"] = int(record.revoked)
    return fields
