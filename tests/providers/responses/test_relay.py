"""What is passed on: the upstream's own events, and what its Response says."""

from __future__ import annotations

import json

import pytest

from proxy.errors import UpstreamStreamError
from proxy.events import Finish, Passed, PassedResponse, UpstreamFailed, Usage
from proxy.providers.responses.relay import ResponsesRelay
from tests.support.encoding import encoder
from tests.support.responses_streams import (
    Upstream,
    events_of,
    message_item,
    payloads,
    relayed,
    response_object,
    whole,
)


def test_the_events_of_items_come_as_they_were() -> None:
    up = Upstream()
    raw = up.begin() + up.message("Hi") + up.end(message_item("Hi"))
    events = events_of(raw, decoder=ResponsesRelay())
    assert isinstance(events[0], PassedResponse)
    passed = [event for event in events if isinstance(event, Passed)]
    lines = raw.split(b"\n")
    assert all(b"data: " + (event.data or b"") in lines for event in passed)
    assert [event.text for event in passed if event.text] == ["Hi"]
    assert [event.final is not None for event in passed] == [False, False, False, False, False, True]
    assert isinstance(events[-3], PassedResponse)
    assert events[-3].ended
    assert (type(events[-2]), events[-1]) == (Usage, Finish("stop", "default"))


def test_what_the_upstream_says_of_its_response_is_shown() -> None:
    up = Upstream()
    more = {"temperature": 0.3, "billing": {"payer": "x"}, "reasoning": {"effort": "high", "summary": None}}
    mine = {"previous_response_id": "resp_theirs", "store": False, "background": True, "metadata": {"a": "b"}}
    raw = up.begin(**more, **mine, temperature_note=None) + up.message("Hi")
    said = payloads(relayed(raw + up.end(message_item("Hi"), **more, **mine, moderation={"flagged": True})))
    for snapshot in (said[0]["response"], said[1]["response"], said[-2]["response"]):
        assert (snapshot["temperature"], snapshot["billing"]) == (0.3, {"payer": "x"})
        assert snapshot["reasoning"] == {"effort": "high", "summary": None}
        assert (snapshot["previous_response_id"], snapshot["store"], snapshot["metadata"]) == (None, True, {})
        assert (snapshot["background"], snapshot["model"]) == (False, "m")
        assert snapshot["id"] != "resp_up"
    assert said[-2]["response"]["moderation"] == {"flagged": True}
    assert "moderation" not in said[0]["response"]


def test_a_failure_behind_the_first_output() -> None:
    up = Upstream()
    raw = up.begin() + up.message("Hi") + up.event("error", code="server_error", message="broke", param=None)
    said = payloads(relayed(raw))
    assert [event["type"] for event in said[-3:-1]] == ["error", "response.failed"]
    assert said[-2]["response"]["output"] == [message_item("Hi")]


def test_a_failure_before_it_is_raised() -> None:
    up = Upstream()
    with pytest.raises(UpstreamStreamError, match="broke"):
        relayed(up.begin() + up.event("error", code="server_error", message="broke", param=None))


def test_a_whole_answer() -> None:
    body = response_object("completed", output=[message_item("Hi", odd=1)], temperature=0.2)
    final = whole(body, encoder(), ResponsesRelay())
    assert final["output"] == body["output"]
    assert (final["temperature"], final["status"], final["usage"]["total_tokens"]) == (0.2, "completed", 14)


def test_a_whole_answer_that_failed() -> None:
    events = ResponsesRelay().whole(json.dumps({"error": {"message": "no"}}).encode())
    assert isinstance(events[-1], UpstreamFailed)


def test_reads_are_never_taken_for_plain_text() -> None:
    relay = ResponsesRelay()
    relay.learn(b"x", "x")
    assert relay.text_of(b"x") == ""
