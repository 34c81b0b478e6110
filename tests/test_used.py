"""What an exchange has used over all its attempts."""

from __future__ import annotations

from proxy.events import Usage
from proxy.used import Used, used_by
from tests.support.books import ended


def test_what_attempts_have_used_is_added_up() -> None:
    one = ended(
        "completed",
        Usage(10, 5, cached_tokens=4, cache_write_tokens=2),
        None,
        Usage(7, 3, reasoning_tokens=1, estimated=True),
    )
    assert used_by(one) == Used(input=17, cached=4, cache_write=2, output=8, reasoning=1, estimated=True)
    assert used_by(ended("rejected")) == Used()


def test_9_2_a_cache_that_was_missed_is_0_and_one_nobody_spoke_of_is_nothing() -> None:
    assert used_by(ended("completed", Usage(10, 5, cache_missed=True))).cached == 0
    assert used_by(ended("completed", Usage(10, 5))).cached is None
