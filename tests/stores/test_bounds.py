"""The bounds of a store."""

from __future__ import annotations

import pytest

from proxy.stores.bounds import Bounds
from proxy.stores.store import StoreFailed
from tests.support.stored import entry


def test_an_entry_may_be_as_large_as_the_store() -> None:
    kept = entry("resp_1", text="x" * 1000)
    Bounds(max_bytes=kept.size).check(kept)
    with pytest.raises(StoreFailed, match=f'"resp_1" has {kept.size} bytes, the store keeps {kept.size - 1}'):
        Bounds(max_bytes=kept.size - 1).check(kept)
