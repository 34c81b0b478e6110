"""What the end of a Responses answer means in neutral events."""

from __future__ import annotations

from ...api.raw import Raw, given
from ...events import Event, Finish, FinishReason, UpstreamFailed
from .event import read_object
from .steps import Ended
from .usage import searches_in, usage_from_responses


def closing_events(ended: Ended) -> list[Event]:
    """Returns the usage, if it was told, and the one event that ends the answer."""
    events: list[Event] = []
    usage = ended.fields.get("usage")
    if usage is not None and given(usage) and (counts := read_object(usage)):
        found = usage_from_responses(counts)
        found.searches = searches_in(bytes(ended.fields.get("output", b"")))
        events.append(found)
    if ended.error is not None:
        events.append(UpstreamFailed(ended.error))
    else:
        events.append(Finish(_reason(ended), _tier(ended.fields.get("service_tier"))))
    return events


def _reason(ended: Ended) -> FinishReason:
    """Returns why it ended; every limit but a filter is one of length."""
    if ended.status != "incomplete":
        return "stop"
    details = read_object(ended.fields.get("incomplete_details", Raw(b"{}")))
    return "content_filter" if details.get("reason") == "content_filter" else "length"


def _tier(raw: Raw | None) -> str | None:
    text = bytes(raw) if raw is not None else b""
    return text[1:-1].decode(errors="replace") if text[:1] == b'"' and b"\\" not in text else None
