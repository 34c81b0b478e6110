"""How long an upstream asks to be left alone, as its headers say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from time import time

LONGEST_WAIT_S = 24 * 3600.0
"""What upstreams say beyond that is taken for this."""


def asked_wait_s(headers: Mapping[str, str]) -> float | None:
    """Returns the seconds of `retry-after-ms` or `retry-after` (a number or a date: RFC 9110, 10.2.3), or None."""
    for name, scale in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        seconds = _number(headers.get(name, ""))
        if seconds is not None:
            return min(seconds * scale, LONGEST_WAIT_S)
    at = _date(headers.get("retry-after", ""))
    return None if at is None else wait_until_s(at)


def wait_until_s(at: float) -> float:
    """Returns the seconds until a Unix time; 0 where it is over."""
    return min(max(0.0, at - time()), LONGEST_WAIT_S)


def _number(value: str) -> float | None:
    try:
        number = float(value)
    except ValueError:
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _date(value: str) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
