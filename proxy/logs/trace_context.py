"""The place of an exchange in a distributed trace, as W3C's Trace Context tells it (`traceparent`, `tracestate`)."""

from __future__ import annotations

import os
import random
import re
from collections.abc import Mapping

import msgspec

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_MAX_STATE = 512


class TraceContext(msgspec.Struct):
    """The trace that an exchange belongs to, its own span in it, and whose child that is. Ids are hexadecimal."""

    trace_id: str
    span_id: str
    parent_id: str | None
    sampled: bool
    state: str | None = None

    @property
    def traceparent(self) -> str:
        """The header that tells the upstream of it."""
        return f"00-{self.trace_id}-{self.span_id}-{'01' if self.sampled else '00'}"


def context_of(headers: Mapping[str, str], sample: float) -> TraceContext:
    """Returns the place of an exchange with these headers: in its client's trace, if that names one, else in its own.

    The client decides whether its trace is sampled; of all others, a share is. A header that is no traceparent counts
    as none, as W3C says.
    """
    span_id = os.urandom(8).hex()
    match = _TRACEPARENT.fullmatch(headers.get("traceparent", "").strip())
    if match is not None:
        version, trace_id, parent_id, flags, more = match.groups()
        if version != "ff" and not (version == "00" and more) and trace_id.strip("0") and parent_id.strip("0"):
            state = headers.get("tracestate", "").strip()
            kept = state if 0 < len(state) <= _MAX_STATE else None
            return TraceContext(trace_id, span_id, parent_id, bool(int(flags, 16) & 1), kept)
    return TraceContext(os.urandom(16).hex(), span_id, None, sample >= 1 or random.random() < sample)
