"""Draws neutral events in any order, as no upstream would send them, and tells them to an encoder."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from proxy.api.responses.encoder import ResponsesEncoder
from proxy.errors import UpstreamStreamError
from proxy.events import (
    Annotation,
    Event,
    Finish,
    OutputItem,
    ReasoningDelta,
    ReasoningState,
    Refusal,
    TextDelta,
    ToolCallDelta,
    ToolCallStart,
    UpstreamFailed,
    Usage,
)
from tests.support.machines import Form

TOKEN = {"token": "a", "bytes": [97], "logprob": -0.5, "top_logprobs": []}
CITED = {"type": "url_citation", "url": "https://a", "title": "A", "start_index": 0, "end_index": 1}
DETAILS = {"field": "reasoning_details", "details": [{"type": "reasoning.encrypted", "data": "x"}]}
COMPACTION = {"type": "compaction", "encrypted_content": "sealed"}
TOOLS = {
    "patch": Form("custom", "patch", input_field="input"),
    "shell": Form("shell", "shell"),
    "find": Form("tool_search", "find"),
}
"""Tools of which calls have deltas of their own form, or none."""

_KEYS = st.integers(0, 2)
_PIECES = ["{", "}", "{}", '{"input":"x', '"}', '{"commands":["ls"]}', ""]
_EVENTS = st.one_of(
    st.builds(TextDelta, st.sampled_from(["a", "那\U0001f600", '"\\\n', "%d", ""]), st.sampled_from([None, [TOKEN]])),
    st.builds(ReasoningDelta, st.sampled_from(["r", "%d %b", ""]), st.booleans()),
    st.builds(ReasoningState, st.sampled_from([{"field": "f"}, DETAILS])),
    st.builds(Refusal, st.sampled_from(["no", ""])),
    st.builds(Annotation, st.just(CITED)),
    st.builds(OutputItem, st.just(COMPACTION)),
    st.builds(ToolCallDelta, _KEYS, st.sampled_from(_PIECES)),
    st.builds(Usage, st.integers(0, 9), st.integers(0, 9)),
)
LENGTH = Finish("length")
ENDS = st.sampled_from([Finish(), LENGTH, Finish("content_filter", "flex"), UpstreamFailed(UpstreamStreamError("x"))])


@st.composite
def events_in_any_order(draw: st.DrawFn) -> list[Event]:
    """Draws events of an answer without its end; a call's start comes before its deltas, once."""
    events: list[Event] = draw(st.lists(_EVENTS, max_size=12))
    for key in draw(st.sets(_KEYS)):
        name = draw(st.sampled_from(["f", *TOOLS]))
        start = ToolCallStart(key, f"call_{key}", name, draw(st.booleans()) and name == "patch")
        first = [place for place, event in enumerate(events) if isinstance(event, ToolCallDelta) and event.key == key]
        events.insert(draw(st.integers(0, first[0] if first else len(events))), start)
    return events


OPTIONS: st.SearchStrategy[dict[str, Any]] = st.fixed_dictionaries(
    {
        "reasoning": st.sampled_from(["content", "summary", "drop"]),
        "logprobs": st.booleans(),
        "obfuscation": st.booleans(),
    }
)
"""What the request may say about the form of the answer."""


def tell(machine: ResponsesEncoder, events: list[Event], *, queued: bool = False) -> bytes:
    """Returns the stream of the events, each encoded by itself."""
    opening = (machine.queue() if queued else b"") + machine.begin()
    return opening + b"".join([machine.encode([event]) for event in events])
