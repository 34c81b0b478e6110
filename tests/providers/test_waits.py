"""What headers say of waiting."""

from __future__ import annotations

from email.utils import formatdate
from time import time

import pytest

from proxy.providers.waits import LONGEST_WAIT_S, asked_wait_s, wait_until_s


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": " 0.5 "}, 0.5),
        ({"retry-after": "7", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "7", "retry-after-ms": "soon"}, 7.0),
        ({"retry-after": "999999999"}, LONGEST_WAIT_S),
        ({"retry-after": formatdate(0, usegmt=True)}, 0.0),
        ({"retry-after": "Sat, 01 Jan 9990 00:00:00 GMT"}, LONGEST_WAIT_S),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "inf"}, None),
        ({"retry-after": "soon"}, None),
    ],
)
def test_a_wait_is_a_number_or_a_date(headers: dict[str, str], seconds: float | None) -> None:
    assert asked_wait_s(headers) == (None if seconds is None else pytest.approx(seconds))


def test_a_date_is_as_far_away_as_it_is() -> None:
    assert 50.0 < wait_until_s(time() + 60) <= 60.0
    wait = asked_wait_s({"retry-after": formatdate(time() + 600, usegmt=True)})
    assert wait is not None
    assert 500.0 < wait <= 600.0
