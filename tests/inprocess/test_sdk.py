"""The SDK's types, made of JSON as it comes."""

from __future__ import annotations

import json
import sys

import pytest
from openai.types.responses import Response, ResponseAudioDeltaEvent, ResponseTextDeltaEvent

from proxy.inprocess.sdk import Deleted, SdkMissing, deleted_of, event_of, require, response_of

DELTA = {
    "type": "response.output_text.delta",
    "sequence_number": 4,
    "item_id": "msg_1",
    "output_index": 0,
    "content_index": 0,
    "delta": "é",
    "logprobs": [],
}


def test_an_event_is_of_the_class_of_its_type() -> None:
    event = event_of(json.dumps(DELTA).encode())
    assert type(event) is ResponseTextDeltaEvent
    assert event == ResponseTextDeltaEvent.model_validate(DELTA)


def test_what_the_types_do_not_foresee_is_taken_as_it_is() -> None:
    event = event_of(json.dumps({**DELTA, "delta": None, "output_index": "first", "new": {"a": 1}}).encode())
    assert type(event) is ResponseTextDeltaEvent
    assert event.output_index == "first"
    assert event.new == {"a": 1}  # type: ignore[attr-defined]
    unknown = event_of(b'{"type": "response.never.heard", "sequence_number": 1}')
    assert unknown.type == "response.never.heard"  # type: ignore[comparison-overlap]
    assert type(unknown) is ResponseAudioDeltaEvent  # as the SDK has it


def test_a_response_knows_its_headers() -> None:
    made = response_of(b'{"id": "resp_1", "output": []}', {"x-request-id": "req_1", "x-penstock-cost": "0.1"})
    assert type(made) is Response
    assert (made.id, made.output_text, made._request_id) == ("resp_1", "", "req_1")
    assert made._headers["x-penstock-cost"] == "0.1"  # type: ignore[attr-defined]
    assert made == response_of(b'{"id": "resp_1", "output": []}')
    assert "_headers" not in made.model_dump()


def test_what_is_gone_is_said() -> None:
    assert deleted_of(b'{"id": "a", "object": "response", "deleted": true}') == Deleted("a", "response", True)


def test_without_the_package_the_line_that_installs_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openai.types", None)
    with pytest.raises(SdkMissing, match=r"pip install 'penstock\[sdk\]'"):
        require()


def test_a_broken_package_is_not_called_a_missing_one(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        def find_spec(self, name: str, *rest: object) -> None:
            if name == "openai.types":
                raise ImportError("no module of theirs", name="httpx")

    monkeypatch.delitem(sys.modules, "openai.types")
    monkeypatch.setattr(sys, "meta_path", [Broken(), *sys.meta_path])
    with pytest.raises(ImportError, match="no module of theirs"):
        require()
