"""What may be changed about answers."""

from __future__ import annotations

import pytest

from proxy.config.types import Mistake
from proxy.transform.fields import FieldEdits


def test_set_wins_over_drop() -> None:
    changed = FieldEdits(set={"a": {"b": [1]}}, drop=("a", "c")).changes()
    assert {name: raw and bytes(raw) for name, raw in changed.items()} == {"a": b'{"b":[1]}', "c": None}


@pytest.mark.parametrize("name", ["id", "status", "output", "choices", "error", ""])
def test_what_clients_rely_on_stays(name: str) -> None:
    with pytest.raises(Mistake, match="cannot be changed"):
        FieldEdits(set={name: 1})
