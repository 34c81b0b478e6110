"""How a key of the store is shown."""

from __future__ import annotations

from proxy.auth.attributes import KeyAttributes
from proxy.auth.key_store import KeyRecord
from proxy.auth.shown import shown


def test_times_are_shown_while_they_mean_something():
    record = KeyRecord(
        id="ci", prefix="pk-abcdef", attributes=KeyAttributes(owner="a"), created=1.5, rotated=2.5, old_until=10.0
    )
    fields = {
        "object": "key",
        "id": "ci",
        "prefix": "pk-abcdef",
        "status": "active",
        "owner": "a",
        "created_at": 1,
        "rotated_at": 2,
    }
    assert shown(record, 9.0) == {**fields, "old_key_until": 10}
    assert shown(record, 10.0) == fields
