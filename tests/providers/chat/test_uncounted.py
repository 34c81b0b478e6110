"""What is learned of upstreams that refuse to be asked for the count of tokens."""

from __future__ import annotations

import json
import logging
from typing import Any

import pytest

from proxy.errors import UpstreamRefused
from proxy.providers.chat.errors import refused
from proxy.providers.chat.profile import ChatProfile
from proxy.providers.chat.uncounted import UncountedStreams
from proxy.upstream.client import UpstreamRequest

OURS = {"include_usage": True}
UNKNOWN = {"message": "Unrecognized request argument supplied: stream_options", "type": "invalid_request_error"}
EXTRA = {"detail": [{"type": "extra_forbidden", "loc": ["body", "stream_options"], "msg": "Extra inputs"}]}


def asked(options: Any = OURS) -> UpstreamRequest:
    fields = {"model": "m", "messages": [], "stream": True, "stream_options": options}
    body = json.dumps({name: one for name, one in fields.items() if one is not None}).encode()
    return UpstreamRequest(method="POST", url="http://up/chat/completions", headers={"x": "1"}, body=body)


def answered(status: int, said: Any) -> UpstreamRefused:
    return refused("up", status, {}, json.dumps(said).encode())


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, {"error": UNKNOWN}),
        (422, EXTRA),
        (400, {"error": {"message": "Unknown parameter.", "param": "stream_options.include_usage"}}),
    ],
)
def test_a_refusal_by_name_is_learned_once_the_rest_was_taken(status, said, caplog) -> None:
    uncounted = UncountedStreams("up")
    made = uncounted.amended(asked(), "m", answered(status, said))
    assert made is not None
    assert json.loads(made.request.body) == {"model": "m", "messages": [], "stream": True}
    assert (made.request.url, made.request.headers) == ("http://up/chat/completions", {"x": "1"})
    assert "m" not in uncounted
    with caplog.at_level(logging.INFO, "penstock"):
        made.remember()
        made.remember()
    assert len(caplog.records) == 1
    assert ("m" in uncounted, "other" in uncounted) == (True, False)
    profile = ChatProfile(files=True)
    assert uncounted.profile("m", profile) == ChatProfile(files=True, stream_usage=False)
    assert uncounted.profile("other", profile) is profile


@pytest.mark.parametrize(
    ("options", "status", "said"),
    [
        (OURS, 400, {"error": {"message": "Unknown parameter: 'my_stream_options_x'"}}),
        (OURS, 500, {"error": UNKNOWN}),
        (None, 400, {"error": UNKNOWN}),
        ({**OURS, "chunk": 1}, 400, {"error": UNKNOWN}),
        ("x", 400, {"error": UNKNOWN}),
    ],
)
def test_what_is_not_ours_is_not_left_out(options, status, said) -> None:
    assert UncountedStreams("up").amended(asked(options), "m", answered(status, said)) is None


def test_what_is_learned_is_bounded() -> None:
    uncounted = UncountedStreams("up")
    for number in range(1100):
        made = uncounted.amended(asked(), f"m{number}", answered(400, {"error": UNKNOWN}))
        assert made is not None
        made.remember()
    assert ("m999" in uncounted, "m1000" in uncounted) == (True, False)
