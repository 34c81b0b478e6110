"""A client's trace is gone on with; what is no traceparent counts as none."""

from __future__ import annotations

import pytest

from proxy.logs.trace_context import context_of

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.mark.parametrize(("flags", "sampled"), [("01", True), ("00", False), ("03", True)])
def test_the_clients_trace_is_gone_on_with(flags: str, sampled: bool) -> None:
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-{flags}", "tracestate": "vendor=1"}
    for sample in (0.0, 1.0):  # the client decides
        context = context_of(headers, sample)
        assert (context.trace_id, context.parent_id, context.sampled) == (TRACE, SPAN, sampled)
        assert context.state == "vendor=1"
        assert context.traceparent == f"00-{TRACE}-{context.span_id}-{'01' if sampled else '00'}"
        assert len(context.span_id) == 16
        assert context.span_id != SPAN


def test_a_later_version_may_say_more() -> None:
    assert context_of({"traceparent": f"cc-{TRACE}-{SPAN}-01-more"}, 0).trace_id == TRACE


@pytest.mark.parametrize(
    "header",
    [
        "",
        "hello",
        f"00-{TRACE}-{SPAN}",
        f"00-{TRACE}-{SPAN}-01-more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE.upper()}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-01, 00-{TRACE}-{SPAN}-01",
    ],
)
def test_anything_else_begins_a_trace(header: str) -> None:
    context = context_of({"traceparent": header, "tracestate": "vendor=1"}, 1.0)
    assert (context.parent_id, context.sampled, context.state) == (None, True, None)
    assert context.trace_id != TRACE
    assert not context_of({"traceparent": header}, 0.0).sampled
