"""What an end means."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.api.raw import Raw
from proxy.errors import UpstreamCut
from proxy.events import Finish, UpstreamFailed, Usage
from proxy.providers.responses.ending import closing_events
from proxy.providers.responses.steps import Ended
from proxy.providers.responses.usage import usage_from_responses


def ended(status: str, error: Any = None, **fields: Any) -> Ended:
    return Ended(status, {name: Raw(json.dumps(value).encode()) for name, value in fields.items()}, error)


@pytest.mark.parametrize(
    ("end", "finish"),
    [
        (ended("completed"), Finish("stop")),
        (ended("completed", service_tier="flex"), Finish("stop", "flex")),
        (ended("completed", service_tier=None), Finish("stop")),
        (Ended("completed", {"service_tier": Raw(b'"fl\xffx"')}, None), Finish("stop", "fl\ufffdx")),
        (ended("incomplete", incomplete_details={"reason": "max_output_tokens"}), Finish("length")),
        (ended("incomplete", incomplete_details={"reason": "content_filter"}), Finish("content_filter")),
        (ended("incomplete", incomplete_details={"reason": "steered"}), Finish("length")),
        (ended("incomplete", incomplete_details=None), Finish("length")),
    ],
)
def test_the_reason(end: Ended, finish: Finish) -> None:
    assert closing_events(end) == [finish]


def test_usage_comes_before_the_end() -> None:
    error = UpstreamCut("gone")
    told = {"input_tokens": 1, "output_tokens": 2}
    usage, failed = closing_events(ended("failed", error, usage=told))
    assert usage == usage_from_responses(told)
    assert isinstance(failed, UpstreamFailed)
    assert failed.error is error
    assert closing_events(ended("completed", usage=None)) == [Finish("stop")]


def test_searches_are_part_of_the_usage() -> None:
    output = [{"type": "web_search_call", "action": {"type": "search"}}]
    usage, _ = closing_events(ended("completed", usage={"input_tokens": 1}, output=output))
    assert isinstance(usage, Usage)
    assert (usage.input_tokens, usage.searches) == (1, 1)
