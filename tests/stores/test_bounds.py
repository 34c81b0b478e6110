"""The bounds of a store."""

from __future__ import annotations

import pytest

from proxy.stores.bounds import Bounds
from proxy.stores.store import StoreFailed
from tests.support.stored import START, entry


def test_an_entry_may_be_as_large_as_the_store() -> None:
    kept = entry("resp_1", text="x" * 1000)
    Bounds(max_bytes=kept.size).check(kept, kept.size)
    with pytest.raises(StoreFailed, match=f'"resp_1" has {kept.size} bytes, the store keeps {kept.size - 1}'):
        Bounds(max_bytes=kept.size - 1).check(kept, kept.size)


def test_a_log_is_kept_in_its_time_and_where_there_is_room_for_it() -> None:
    kept = entry("resp_1", log=b"x" * 1000, log_until=START + 10)
    bounds = Bounds(max_bytes=kept.size + 1000)
    assert bounds.log_of(kept, kept.size, START + 9) == kept.log
    assert bounds.log_of(kept, kept.size, START + 10) == b""
    assert bounds.log_of(kept, kept.size + 1, START) == b""
