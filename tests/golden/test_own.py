"""The project's own recordings, and the `echo` upstream as it is today, through the three machines."""

from __future__ import annotations

import json
from typing import Any

import pytest

from proxy.api.responses.encoder import EncoderOptions
from tests.support.grammar import check_stream
from tests.support.machines import Setup, final_of, translate
from tests.support.own_recordings import index, play, recorded
from tests.support.sdk_types import check_event

INDEX = index()
LOGPROBS = Setup(options=EncoderOptions(logprobs=True))


def check(raw: bytes, says: dict[str, Any]) -> None:
    """Judges the translation of a stream and compares it with what the index says of it."""
    said = check_stream(translate(raw, setup=LOGPROBS))
    assert said.text == says.get("text", "")
    assert said.reasoning == says.get("reasoning", "")
    assert said.refusal == says.get("refusal", "")
    assert [[name, json.loads(arguments)] for name, arguments in said.calls] == says.get("calls", [])
    assert said.response["status"] == says.get("status", "completed")
    assert said.response["incomplete_details"] == ({"reason": says["reason"]} if "reason" in says else None)
    assert (said.response["usage"] is not None) == says.get("usage", False)
    assert final_of(raw, LOGPROBS) == said.response
    for event in said.events:
        check_event(event)


@pytest.mark.parametrize("name", INDEX)
def test_a_recording_says_what_its_request_asked_for(name: str) -> None:
    check(recorded(name), INDEX[name]["says"])


@pytest.mark.parametrize("name", INDEX)
def test_echo_says_it_today(name: str) -> None:
    check(play(INDEX[name]["request"]), INDEX[name]["says"])


@pytest.mark.parametrize("name", INDEX)
def test_a_recording_cut_at_every_byte(name: str) -> None:
    raw = recorded(name)
    expected = translate(raw)
    assert translate(raw, range(1, len(raw))) == expected
    assert all(translate(raw, (cut,)) == expected for cut in range(1, len(raw)))


def test_logprobs_arrive() -> None:
    said = check_stream(translate(recorded("logprobs"), setup=LOGPROBS))
    entries = said.output[0]["content"][0]["logprobs"]
    assert [entry["token"] for entry in entries] == ["Hi", " you"]
