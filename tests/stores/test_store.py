"""What an entry says of itself."""

from __future__ import annotations

import sys

import msgspec
import pytest

from tests.support.stored import entry, raw


@pytest.mark.parametrize(
    ("status", "finished"),
    [
        ("queued", False),
        ("in_progress", False),
        ("completed", True),
        ("incomplete", True),
        ("failed", True),
        ("cancelled", True),
    ],
)
def test_what_is_running_is_not_finished(status: str, finished: bool) -> None:
    assert entry("resp_1", status=status).finished is finished


def test_its_size_is_that_of_all_its_json() -> None:
    kept = entry("resp_1", given=[raw("12"), raw("3")], output=[raw("é")], response=raw({}))
    assert kept.size == 4 + 3 + 4 + 2


def test_a_copy_shares_nothing_that_changes() -> None:
    kept = entry("resp_1", given=["msg_1"], output=["msg_2"])
    copied = kept.copy()
    assert copied == kept
    copied.input.append(raw("more"))
    copied.output.clear()
    assert (len(kept.input), len(kept.output)) == (1, 1)


def test_a_copy_does_not_keep_the_request_it_was_cut_from() -> None:
    body = msgspec.json.encode([{"id": "msg_1"}] * 1000)
    alone = sys.getrefcount(body)
    (item, *_) = msgspec.json.decode(body, type=list[msgspec.Raw])
    del _
    kept = entry("resp_1", given=[item])
    assert sys.getrefcount(body) > alone
    copied = kept.copy()
    del item, kept
    assert sys.getrefcount(body) == alone
    assert copied.input == [raw({"id": "msg_1"})]
