"""The shared objects of the chat-completions dialect."""

import json

import pytest
from openai.types import CompletionUsage

from proxy.api.chat.objects import (
    DONE,
    annotation_object,
    error_event,
    finish_reason,
    new_completion_id,
    usage_object,
)
from proxy.errors import BadRequest, UpstreamCut
from proxy.events import Usage
from proxy.providers.chat.usage import usage_from_chat


def test_usage_survives_the_way_there_and_back() -> None:
    usage = Usage(
        input_tokens=27,
        output_tokens=15,
        cached_tokens=16,
        cache_write_tokens=2,
        reasoning_tokens=4,
        total_tokens=42,
    )
    made = usage_object(usage)
    CompletionUsage.model_validate(made, strict=True)
    assert usage_from_chat(made) == usage


def test_usage_without_a_total_is_added_up() -> None:
    assert usage_object(Usage(input_tokens=3, output_tokens=4))["total_tokens"] == 7


@pytest.mark.parametrize(
    ("reason", "calls", "expected"),
    [
        ("stop", False, "stop"),
        ("stop", True, "tool_calls"),
        ("length", True, "length"),
        ("content_filter", False, "content_filter"),
    ],
)
def test_finish_reason_names_the_calls_only_when_nothing_else_ended_the_answer(reason, calls, expected) -> None:
    assert finish_reason(reason, calls=calls) == expected


def test_a_citation_gets_its_nested_form_and_others_stay_flat() -> None:
    flat = {"type": "url_citation", "url": "https://a.example/", "title": "A", "start_index": 1, "end_index": 5}
    nested = annotation_object(flat)
    assert nested == {
        "type": "url_citation",
        "url_citation": {"url": "https://a.example/", "title": "A", "start_index": 1, "end_index": 5},
    }
    assert annotation_object({"type": "file_citation", "file_id": "f"}) == {"type": "file_citation", "file_id": "f"}


def test_an_error_event_has_the_four_keys_of_the_api() -> None:
    data = error_event(BadRequest("No.", param="n", code="unsupported_value"))
    assert data.startswith(b"data: ")
    assert data.endswith(b"\n\n")
    assert json.loads(data[6:]) == {
        "error": {"message": "No.", "type": "invalid_request_error", "param": "n", "code": "unsupported_value"}
    }


def test_an_error_event_takes_a_code_that_says_more() -> None:
    assert json.loads(error_event(UpstreamCut("Gone."), "tool_use_failed")[6:])["error"]["code"] == "tool_use_failed"
    assert json.loads(error_event(UpstreamCut("Gone."), 502)[6:])["error"]["code"] == 502


def test_ids_differ_and_the_end_is_an_event_of_its_own() -> None:
    assert new_completion_id() != new_completion_id()
    assert new_completion_id().startswith("chatcmpl-")
    assert DONE == b"data: [DONE]\n\n"
